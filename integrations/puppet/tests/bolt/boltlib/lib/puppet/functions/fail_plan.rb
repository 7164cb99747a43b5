# SPDX-License-Identifier: Apache-2.0
# As Bolt's.
Puppet::Functions.create_function(:fail_plan) do
  dispatch :fail_plan do
    param 'String[1]', :msg
    param 'String[1]', :kind
    param 'Hash[String[1], Any]', :details
  end

  def fail_plan(msg, kind, _details)
    raise Puppet::Error, "#{kind}: #{msg}"
  end
end
