# SPDX-License-Identifier: Apache-2.0
# What the task said, as of Bolt's Result.
Puppet::Functions.create_function(:value) do
  dispatch :value do
    param 'Hash', :result
  end

  def value(result)
    result
  end
end
