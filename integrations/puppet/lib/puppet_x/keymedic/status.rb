# SPDX-License-Identifier: Apache-2.0
#
# What the local agent keeps of what its controller makes of this machine: status.json, read without
# asking the network or the agent.
require 'json'

module PuppetX; end

module PuppetX::Keymedic
  module Status
    def self.file(env = ENV)
      program_data = env['ProgramData'].to_s
      return '/var/lib/keymedic-agent/status.json' if program_data.empty?

      File.join(program_data.tr('\\', '/'), 'KeyMedic', 'agent', 'status.json')
    end

    # nil: there is no agent, it belongs to no controller, or the file is not for this user.
    def self.read(path)
      status = JSON.parse(File.read(path, encoding: 'UTF-8'))
      {
        'machine_id' => status['machine_id'],
        'told_at' => status['told_at'],
        'roles' => status['roles'],
        'license' => { 'state' => plain(status['license_status'], 'LICENSE_STATUS_'), 'product' => status['product'] },
        'findings' => status['findings'].map do |finding|
          finding.merge('severity' => plain(finding['severity'], 'SEVERITY_'))
        end,
      }
    rescue SystemCallError
      nil
    end

    def self.plain(name, prefix)
      short = name.delete_prefix(prefix).downcase
      (short == 'unspecified') ? 'unknown' : short
    end
  end
end
