# SPDX-License-Identifier: Apache-2.0
require 'json'
require_relative '../../../../../bolt_task'

# As Bolt's: a result for each target; a task that fails ends the plan.
Puppet::Functions.create_function(:run_task) do
  dispatch :run_task do
    param 'String[1]', :task
    param 'Boltlib::TargetSpec', :targets
    param 'Hash[String[1], Any]', :params
  end

  def run_task(task, targets, params)
    [*targets].map do |target|
      given = params.reject { |name, value| name == '_noop' && !value }
      out, code = run_task_like_bolt(ENV.fetch('KEYMEDIC_TEST_MODULE'), task.delete_prefix('keymedic::'), given)
      value = JSON.parse(out)
      raise Puppet::Error, "#{task} failed on #{target}: #{value['_error']['msg']}" unless code.zero?

      value
    end
  end
end
