#!/usr/bin/env ruby
# SPDX-License-Identifier: Apache-2.0
require_relative '../lib/puppet_x/keymedic/task'

PuppetX::Keymedic::Task.run do |client, params|
  options = params.slice('selector', 'expect_count', 'treat', 'approve', 'again', *PuppetX::Keymedic::ROLLOUT_OPTIONS.keys)
  PuppetX::Keymedic::Task.summary(client.plan(options, preview: params['_noop'] == true))
rescue PuppetX::Keymedic::NothingToTreat => e
  { 'id' => '', 'state' => 'nothing-to-treat', 'reason' => e.message, 'machines' => [], 'untreatable' => [], 'totals' => {} }
end
