# SPDX-License-Identifier: Apache-2.0
# As Bolt's.
Puppet::Functions.create_function(:run_plan, Puppet::Functions::InternalFunction) do
  dispatch :run_plan do
    scope_param
    param 'String[1]', :name
    param 'Hash[String[1], Any]', :params
  end

  def run_plan(scope, name, params)
    plan = closure_scope.compiler.loaders.private_environment_loader.load(:plan, name)
    raise Puppet::Error, "there is no plan #{name}" if plan.nil?

    plan.class.dispatcher.dispatchers.first.call_by_name_with_scope(scope, params, true)
  end
end
