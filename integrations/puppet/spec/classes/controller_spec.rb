# SPDX-License-Identifier: Apache-2.0
require_relative '../spec_helper'

describe 'keymedic::controller' do
  ['Debian', 'RedHat'].each do |system|
    context "on #{system}" do
      let(:facts) { SYSTEMS[system] }
      let(:params) { { listen: '[::]:7443', collect_interval: '30m' } }

      it { is_expected.to compile.with_all_deps }
      it { is_expected.to contain_package('keymedic-controller').that_comes_before('File[/etc/keymedic/controller.toml]') }
      it { is_expected.to contain_file('/etc/keymedic/controller.toml').that_notifies('Service[keymedic-controller]') }

      it do
        is_expected.to contain_file('/etc/keymedic/controller.toml')
          .with_content(%r{^listen = "\[::\]:7443"\ncollect_interval = "30m"\n\z})
      end
    end
  end

  context 'on Windows' do
    let(:facts) { SYSTEMS['windows'] }

    it { is_expected.to compile.and_raise_error(%r{the controller runs on Linux}) }
  end

  context 'with a time that is none' do
    let(:facts) { SYSTEMS['Debian'] }
    let(:params) { { heartbeat_interval: 'often' } }

    it { is_expected.to compile.and_raise_error(%r{parameter 'heartbeat_interval'}) }
  end
end
