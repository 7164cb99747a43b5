# SPDX-License-Identifier: Apache-2.0
#
# The API through the command `keymedic`, which must be on the PATH.
require 'open3'
require 'tempfile'

module PuppetX::Keymedic
  class CommandClient
    def initialize(profile_name)
      @globals = profile_name == 'default' ? [] : ['--profile', profile_name]
      @globals += ['--output', 'json']
    end

    def policy
      run('policy', 'show')
    end

    def update_policy(policy)
      Tempfile.create('keymedic-policy') do |file|
        file.write(JSON.generate(policy))
        file.close
        run('policy', 'set', file.path)
      end
    end

    def findings(filter)
      run('findings', 'list', *(filter.empty? ? [] : ['--select', filter]))['findings']
    end

    def plan(options, preview: false)
      verb = preview ? 'preview' : 'plan'
      run('remediations', verb, *options.flat_map { |name, value| option(name, value) })
    end

    def start(id, plan_hash)
      run('remediations', 'start', id, '--plan-hash', plan_hash)
    end

    def remediation(id)
      run('remediations', 'show', id)
    end

    def wait(id, seconds)
      run('remediations', 'watch', id, seconds: seconds, any_end: true)
      remediation(id)
    end

    private

    OPTIONS = ROLLOUT_OPTIONS.merge(
      'selector' => '--select', 'expect_count' => '--expect-count', 'treat' => '--treat', 'approve' => '--approve',
      'again' => '--again'
    ).freeze
    private_constant :OPTIONS

    def option(name, value)
      case value
      when true then [OPTIONS.fetch(name)]
      when false, [] then []
      when Array then [OPTIONS.fetch(name), value.join(',')]
      else [OPTIONS.fetch(name), value.to_s]
      end
    end

    # `any_end`: also the exit codes of a remediation that did not succeed, or goes on after so many seconds.
    def run(*arguments, seconds: nil, any_end: false)
      environment = { 'HOME' => PuppetX::Keymedic.home, 'NO_COLOR' => '1' }
      out, err, status = ended(environment, ['keymedic', *arguments, *@globals], seconds)
      return JSON.parse(out) if status.success?
      return {} if any_end && !err.start_with?('error: ')

      raise PuppetX::Keymedic.refusal(err.sub(/\Aerror: /, '').strip)
    rescue Errno::ENOENT
      raise Error, 'neither the grpc gem (Debian: ruby-grpc) nor the command keymedic on the PATH is there; install either'
    rescue JSON::ParserError => e
      raise Error, "keymedic #{arguments.first(2).join(' ')} printed no JSON (#{e.message}); is it of another version?"
    end

    def ended(environment, command, seconds)
      Open3.popen3(environment, *command) do |input, out, err, process|
        input.close
        readers = [out, err].map { |pipe| Thread.new { pipe.read } }
        Process.kill('TERM', process.pid) unless process.join(seconds)
        [*readers.map(&:value), process.value]
      end
    end
  end
end
