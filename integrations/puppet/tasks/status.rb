#!/usr/bin/env ruby
# SPDX-License-Identifier: Apache-2.0
require_relative '../lib/puppet_x/keymedic/task'

PuppetX::Keymedic::Task.run do |client, params|
  id = params['id']
  wait = params.fetch('wait', 0)
  PuppetX::Keymedic::Task.summary((wait > 0) ? client.wait(id, wait) : client.remediation(id))
end
