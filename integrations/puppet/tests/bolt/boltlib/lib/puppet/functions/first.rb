# SPDX-License-Identifier: Apache-2.0
# The first result, as of Bolt's ResultSet.
Puppet::Functions.create_function(:first) do
  dispatch :first do
    param 'Array', :results
  end

  def first(results)
    results.first
  end
end
