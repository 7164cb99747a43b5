#!/usr/bin/env ruby
# SPDX-License-Identifier: Apache-2.0
require_relative '../lib/puppet_x/keymedic/task'

PuppetX::Keymedic::Task.run do |client, params|
  names = ['code', 'subject', 'title', 'affected_machines', 'why_untreatable']
  findings = client.findings(params.fetch('filter', '')).map do |finding|
    finding.slice(*names).merge(
      'severity' => PuppetX::Keymedic::Task.plain(finding['severity'], 'SEVERITY_'),
      'treatments' => finding['treatments'].map { |treatment| treatment['action'] },
    )
  end
  { 'findings' => findings }
end
