# SPDX-License-Identifier: Apache-2.0
#
# bolt_task.rb MODULE TASK <PARAMETERS: runs a task as Bolt does. Into a folder of its own go the task
# and the files that its metadata names, and nothing else; parameters and result are JSON.
require 'fileutils'
require 'json'
require 'open3'
require 'tmpdir'

def run_task_like_bolt(mod, task, params)
  metadata = JSON.parse(File.read("#{mod}/tasks/#{task}.json"))
  unknown = params.keys - metadata['parameters'].keys - ['_noop', '_task']
  raise "parameters of the task #{task} that its metadata does not name: #{unknown}" unless unknown.empty?
  raise "the task #{task} does not say how it takes noop" if params['_noop'] && !metadata['supports_noop']

  Dir.mktmpdir do |folder|
    [*metadata['files'], "keymedic/tasks/#{task}.rb"].each do |file|
      target = "#{folder}/#{file.chomp('/')}"
      FileUtils.mkdir_p(File.dirname(target))
      FileUtils.cp_r("#{mod}/#{file.chomp('/').delete_prefix('keymedic/')}", target)
    end
    input = JSON.generate(params.merge('_task' => "keymedic::#{task}", '_installdir' => folder))
    out, err, status = Open3.capture3('ruby', "#{folder}/keymedic/tasks/#{task}.rb", stdin_data: input, chdir: '/')
    warn err unless err.empty?
    [out, status.exitstatus]
  end
end

if $PROGRAM_NAME == __FILE__
  out, code = run_task_like_bolt(ARGV[0], ARGV[1], JSON.parse($stdin.read))
  puts out
  exit code
end
