# SPDX-License-Identifier: Apache-2.0
require_relative '../spec_helper'
require 'tmpdir'
require "#{MODULE}/lib/puppet_x/keymedic/command_client"
require "#{MODULE}/lib/puppet_x/keymedic/status"

describe PuppetX::Keymedic do
  around { |example| Dir.mktmpdir { |folder| @folder = folder and example.run } }

  def env(text, more = {})
    FileUtils.mkdir_p("#{@folder}/keymedic")
    File.write("#{@folder}/keymedic/profiles.toml", text)
    { 'XDG_CONFIG_HOME' => @folder }.merge(more)
  end

  let(:two) do
    <<~TOML
      default = 'contoso'

      [profiles."a b'c"]
      ca = '/x/ca.crt'
      certificate = "/x/it's.crt"
      controller = '127.0.0.1:7443'
      key = '/x/admin.key'

      [profiles.contoso]
      controller = 'kc.contoso.example:7443'
    TOML
  end

  describe '.find_profile' do
    it 'finds what the command wrote' do
      expect(described_class.find_profile("a b'c", env(two)).to_a)
        .to eq(['127.0.0.1:7443', '/x/ca.crt', "/x/it's.crt", '/x/admin.key'])
      expect(described_class.find_profile('default', env(two)).controller).to eq('kc.contoso.example:7443')
      expect(described_class.find_profile('default', env(two, 'KEYMEDIC_PROFILE' => "a b'c")).controller).to eq('127.0.0.1:7443')
    end

    it 'says how to make one that is not there' do
      expect { described_class.find_profile('berlin', env(two)) }
        .to raise_error(PuppetX::Keymedic::Error, %r{no profile 'berlin' in .*profiles.toml; .*keymedic profile add berlin})
      expect { described_class.find_profile('default', { 'XDG_CONFIG_HOME' => "#{@folder}/none" }) }
        .to raise_error(PuppetX::Keymedic::Error, %r{keymedic profile add})
    end

    it 'names the line that it cannot read' do
      expect { described_class.find_profile('x', env("default = 'x'\nnumbers = [1, 2]\n")) }
        .to raise_error(PuppetX::Keymedic::Error, %r{profiles.toml:2: })
    end

    it 'takes the environment before the default profile, and whole or not at all' do
      given = { 'KEYMEDIC_CONTROLLER' => 'h:1', 'KEYMEDIC_CA' => 'a', 'KEYMEDIC_CERT' => 'c', 'KEYMEDIC_KEY' => 'k' }
      expect(described_class.find_profile('default', env(two, given)).to_a).to eq(['h:1', 'a', 'c', 'k'])
      expect(described_class.find_profile('contoso', env(two, given)).controller).to eq('kc.contoso.example:7443')
      expect { described_class.find_profile('default', { 'KEYMEDIC_CONTROLLER' => 'h:1' }) }
        .to raise_error(PuppetX::Keymedic::Error, %r{KEYMEDIC_CA, KEYMEDIC_CERT and KEYMEDIC_KEY})
    end
  end

  describe PuppetX::Keymedic::Status do
    it 'tells plain words' do
      File.write("#{@folder}/status.json", <<~JSON)
        {"machine_id": "m-1", "told_at": "2026-11-28T09:00:00Z", "roles": ["kms_client"],
         "license_status": "LICENSE_STATUS_NON_GENUINE_GRACE", "product": "Windows",
         "findings": [{"code": "CLIENT_KEY_NOT_GVLK", "severity": "SEVERITY_CRITICAL", "title": "wrong key"}]}
      JSON
      expect(described_class.read("#{@folder}/status.json")).to eq(
        'machine_id' => 'm-1', 'told_at' => '2026-11-28T09:00:00Z', 'roles' => ['kms_client'],
        'license' => { 'state' => 'non_genuine_grace', 'product' => 'Windows' },
        'findings' => [{ 'code' => 'CLIENT_KEY_NOT_GVLK', 'severity' => 'critical', 'title' => 'wrong key' }]
      )
    end

    it 'is nothing where there is no agent' do
      expect(described_class.read("#{@folder}/none")).to be_nil
    end

    it 'looks where the agent of the system keeps it' do
      expect(described_class.file({})).to eq('/var/lib/keymedic-agent/status.json')
      expect(described_class.file('ProgramData' => 'C:\ProgramData')).to eq('C:/ProgramData/KeyMedic/agent/status.json')
    end
  end

  describe PuppetX::Keymedic::CommandClient do
    it 'says what is missing where there is neither gRPC nor the command' do
      stub_const('ENV', ENV.to_h.merge('PATH' => @folder))
      expect { described_class.new('contoso').policy }
        .to raise_error(PuppetX::Keymedic::Error, %r{ruby-grpc\) nor the command keymedic})
    end
  end
end
