# SPDX-License-Identifier: Apache-2.0
#
# bolt_plan.rb MODULE PLAN <PARAMETERS: evaluates a plan with Puppet's own evaluator of plans. Debian
# has no Puppet Bolt; what the plan calls of it stands in bolt/boltlib and runs the real tasks.
require 'json'
require 'puppet'
require 'puppet_pal'
require 'tmpdir'

mod, plan = ARGV
ENV['KEYMEDIC_TEST_MODULE'] = mod
Dir.mktmpdir do |folder|
  Puppet.initialize_settings(['--confdir', folder, '--vardir', folder, '--log_level', 'err'])
  Puppet[:tasks] = true
  path = [File.dirname(mod), File.join(__dir__, 'bolt')]
  result = Puppet::Pal.in_tmp_environment('bolt', modulepath: path, facts: {}) do |pal|
    pal.with_script_compiler do |compiler|
      compiler.evaluate_string('type TargetSpec = Boltlib::TargetSpec')
      compiler.call_function('run_plan', plan, JSON.parse($stdin.read))
    end
  end
  puts JSON.generate(result)
rescue Puppet::Error => e
  puts JSON.generate('_error' => e.message)
  exit 1
end
