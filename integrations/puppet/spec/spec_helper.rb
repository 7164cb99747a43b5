# SPDX-License-Identifier: Apache-2.0
#
# For the module as it is built: KEYMEDIC_PUPPET_MODULE names it.
require 'rspec-puppet'

MODULE = ENV.fetch('KEYMEDIC_PUPPET_MODULE')
require "#{MODULE}/lib/puppet_x/keymedic/client"

RSpec.configure do |config|
  config.module_path = File.dirname(MODULE)
  config.mock_with :rspec
  config.strict_variables = true
end

# Each system that metadata.json names, with what our data needs of its facts.
SYSTEMS = {
  'Debian' => { 'os' => { 'name' => 'Debian', 'family' => 'Debian', 'release' => { 'major' => '12' } } },
  'RedHat' => { 'os' => { 'name' => 'RedHat', 'family' => 'RedHat', 'release' => { 'major' => '9' } } },
  'windows' => { 'os' => { 'name' => 'windows', 'family' => 'windows', 'release' => { 'major' => '2022' } } },
}.freeze
