# SPDX-License-Identifier: Apache-2.0
require_relative '../spec_helper'

describe 'keymedic::agent' do
  places = {
    'Debian' => ['keymedic-agent', '/etc/keymedic/agent.toml', 'keymedic-agent', '0600'],
    'RedHat' => ['keymedic-agent', '/etc/keymedic/agent.toml', 'keymedic-agent', '0600'],
    'windows' => ['KeyMedic Agent', 'C:/ProgramData/KeyMedic/agent.toml', 'KeyMedicAgent', nil],
  }
  SYSTEMS.each do |system, facts|
    context "on #{system}" do
      let(:facts) { facts }
      package, file, service, mode = places[system]

      it { is_expected.to compile.with_all_deps }
      it { is_expected.to contain_class('keymedic::agent::install').that_comes_before('Class[keymedic::agent::config]') }
      it { is_expected.to contain_class('keymedic::agent::config').that_notifies('Class[keymedic::agent::service]') }
      it { is_expected.to contain_package(package).with_ensure('installed').without_source }
      it { is_expected.to contain_file(file).with(show_diff: false, mode: mode) }
      it { is_expected.to contain_service(service).with(ensure: 'running', enable: true) }
    end
  end

  context 'with settings' do
    let(:facts) { SYSTEMS['Debian'] }
    let(:params) do
      {
        controller: 'keymedic.contoso.example:7443', token: sensitive('km1.secret'), machine_name: 'pc-017',
        labels: { 'site' => 'berlin "mitte"' }, settings: { 'reconnect_seconds' => 20, 'plugins' => { 'memory_limit_mb' => 256 } },
        package_source: '/srv/keymedic-agent.deb', package_ensure: '0.1.0'
      }
    end

    it { is_expected.to contain_package('keymedic-agent').with(ensure: '0.1.0', source: '/srv/keymedic-agent.deb') }

    it 'writes them all, and keeps the token from reports' do
      content = catalogue.resource('file', '/etc/keymedic/agent.toml')
      expect(content.sensitive_parameters).to include(:content)
      expect(content[:content].is_a?(String) ? content[:content] : content[:content].unwrap).to eq(<<~TOML)
        # Managed by Puppet (module keymedic): changes here are overwritten.
        reconnect_seconds = 20
        controller = "keymedic.contoso.example:7443"
        token = "km1.secret"
        name = "pc-017"

        [plugins]
        memory_limit_mb = 256

        [labels]
        site = "berlin \\"mitte\\""
      TOML
    end
  end

  context 'without a controller but with a token' do
    let(:facts) { SYSTEMS['Debian'] }
    let(:params) { { token: sensitive('km1.secret') } }

    it { is_expected.to compile.and_raise_error(%r{set keymedic::agent::controller to its HOST:PORT}) }
  end

  context 'with a token that is not Sensitive' do
    let(:facts) { SYSTEMS['Debian'] }
    let(:params) { { controller: 'kc:7443', token: 'km1.secret' } }

    it { is_expected.to compile.and_raise_error(%r{expects a value of type Undef or Sensitive}) }
  end

  context 'with a controller without a port' do
    let(:facts) { SYSTEMS['Debian'] }
    let(:params) { { controller: 'keymedic.contoso.example' } }

    it { is_expected.to compile.and_raise_error(%r{parameter 'controller'}) }
  end

  context 'when it goes' do
    let(:facts) { SYSTEMS['Debian'] }
    let(:params) { { package_ensure: 'absent' } }

    it { is_expected.to contain_package('keymedic-agent').with_ensure('absent') }
    it { is_expected.not_to contain_service('keymedic-agent') }
  end
end
