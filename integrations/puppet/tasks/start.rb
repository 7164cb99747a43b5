#!/usr/bin/env ruby
# SPDX-License-Identifier: Apache-2.0
require_relative '../lib/puppet_x/keymedic/task'

PuppetX::Keymedic::Task.run do |client, params|
  id = params['id']
  PuppetX::Keymedic::Task.summary(params['_noop'] ? client.remediation(id) : client.start(id, params['plan_hash']))
end
