# SPDX-License-Identifier: Apache-2.0
#
# A task as Bolt runs it: parameters as JSON on standard input, the result or `_error` as JSON on
# standard output. Beside `profile` the parameters are those that the task's metadata names.
require_relative 'client'

module PuppetX::Keymedic
  module Task
    # Yields the connection and the parameters, without what is not given.
    def self.run
      params = JSON.parse($stdin.read).compact
      puts JSON.generate(yield(PuppetX::Keymedic.connect(params.fetch('profile', 'default')), params))
    rescue Error, JSON::ParserError => e
      puts JSON.generate('_error' => { 'kind' => 'keymedic/failed', 'msg' => e.message, 'details' => {} })
      exit 1
    end

    # What a person or a plan needs of a remediation; `keymedic remediations show` has the rest.
    def self.summary(remediation)
      {
        'id' => remediation['id'],
        'state' => plain(remediation['state'], 'REMEDIATION_STATE_'),
        'plan_hash' => remediation['plan_hash'],
        'totals' => remediation['totals'],
        'reason' => remediation['reason'],
        'machines' => remediation['targets'].map { |target| machine(target) },
        'untreatable' => remediation['untreatable'].map do |finding|
          { 'code' => finding['code'], 'subject' => finding['subject'], 'why' => finding['why_untreatable'] }
        end,
      }
    end

    def self.machine(target)
      {
        'name' => target['display_name'],
        'wave' => target['wave'],
        'findings' => target['finding_codes'],
        'steps' => target['steps'].map { |step| step['action'] },
        'state' => plain(target['state'], 'TARGET_STATE_'),
        'message' => target['message'],
      }
    end

    # As the command and the keys of `totals` have it: `no-change`.
    def self.plain(name, prefix)
      name.delete_prefix(prefix).downcase.tr('_', '-')
    end
  end
end
