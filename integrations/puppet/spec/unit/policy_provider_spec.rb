# SPDX-License-Identifier: Apache-2.0
require_relative '../spec_helper'
require 'puppet/resource_api'
require "#{MODULE}/lib/puppet/type/keymedic_policy"
require "#{MODULE}/lib/puppet/provider/keymedic_policy/keymedic_policy"

describe Puppet::Provider::KeymedicPolicy::KeymedicPolicy do
  let(:context) { Puppet::Type.type(:keymedic_policy).context }
  let(:client) { double('client') }
  let(:stored) do
    { 'kms_hosts' => ['B.example', 'a.example'], 'expect_kms' => true, 'grace_warning_days' => 30, 'automatic' => [],
      'require_approval' => false, 'etag' => 'e1', 'rollout' => { 'canary' => 2, 'error_budget' => { 'absolute' => 3 } } }
  end

  before { allow(PuppetX::Keymedic).to receive(:connect).with('contoso').and_return(client) }

  it 'gives what is stored in one form, by one call' do
    expect(client).to receive(:policy).once.and_return(stored)
    expect(subject.get(context, ['contoso'])).to eq(
      [{ name: 'contoso', kms_hosts: ['a.example', 'b.example'], expect_kms: true, grace_warning_days: 30, automatic: [],
         require_approval: false, rollout: { 'canary' => 2, 'error_budget' => { 'absolute' => 3 } } }],
    )
  end

  it 'takes different words for the same as the same' do
    given = { name: 'contoso', kms_hosts: ['B.EXAMPLE', 'a.example', 'b.example'], automatic: ['client_x', 'CLIENT_A'],
              rollout: { 'soak' => '1h30m', 'queue_until' => '2026-12-01T00:00:00Z', 'step_timeout' => '1.5m', 'canary' => 1,
                         'queue_timeout' => '0.25s', 'windows' => [{ 'begin_minute' => 60 }, { 'days' => [7, 1] }] } }
    expect(subject.canonicalize(context, [given])).to eq(
      [{ name: 'contoso', kms_hosts: ['a.example', 'b.example'], automatic: ['CLIENT_A', 'CLIENT_X'],
         rollout: { 'soak' => '5400s', 'queue_until' => '2026-12-01T00:00:00Z', 'step_timeout' => '90s', 'canary' => 1,
                    'queue_timeout' => '0.250s',
                    'windows' => [{ 'days' => [], 'begin_minute' => 60, 'end_minute' => 0 },
                                  { 'days' => [1, 7], 'begin_minute' => 0, 'end_minute' => 0 }] } }],
    )
  end

  it 'refuses what would never be as it is stored' do
    [{ 'canary' => '3' }, { 'stepTimeout' => '30s' }, { 'queue_until' => '2026-12-01T01:00:00+01:00' }, { 'soak' => '30' },
     { 'windows' => [{ 'beginMinute' => 60 }] }, { 'windows' => { 'days' => [1] } }].each do |rollout|
      expect { Puppet::Type.type(:keymedic_policy).new(name: 'contoso', rollout: rollout) }
        .to raise_error(Puppet::Error, %r{keymedic_policy.rollout .*(unrecognized|expects)}), rollout.inspect
    end
  end

  it 'knows every name of the rollout, and no others', if: Gem::Specification.any? { |gem| gem.name == 'grpc' } do
    require "#{MODULE}/lib/puppet_x/keymedic/grpc_client"
    type = Puppet::Pops::Types::TypeParser.singleton.parse(context.type.attributes[:rollout][:type]).type
    expect(type.elements.map(&:name)).to eq(Keymedic::V1::RolloutPolicy.descriptor.map(&:name))
  end

  it 'compares the names of a rollout that are given, and no others' do
    allow(client).to receive(:policy).and_return(stored)
    subject.get(context, ['contoso'])
    is = { rollout: { 'canary' => 2, 'growth' => 3.0 } }
    expect(subject.insync?(context, 'contoso', :rollout, is, { rollout: { 'growth' => 3 } })).to be true
    differs, told = subject.insync?(context, 'contoso', :rollout, is, { rollout: { 'canary' => 5 } })
    expect(differs).to be false
    expect(told).to eq('rollout changed: canary 2 to 5')
    expect(subject.insync?(context, 'contoso', :kms_hosts, {}, {})).to be_nil
  end

  it 'changes what is given and nothing else, bound to what was read' do
    allow(client).to receive(:policy).and_return(stored)
    subject.get(context, ['contoso'])
    expect(client).to receive(:update_policy).with(
      stored.merge('grace_warning_days' => 14, 'rollout' => { 'canary' => 5, 'error_budget' => { 'absolute' => 3 } }),
    )
    subject.set(context, 'contoso' => { is: {}, should: { name: 'contoso', grace_warning_days: 14, rollout: { 'canary' => 5 } } })
  end

  context 'when the controller is away' do
    before { allow(client).to receive(:policy).and_raise(PuppetX::Keymedic.refusal('cannot talk to the controller at kc:7443: x')) }

    it 'warns, and takes everything for as it should be' do
      expect(context).to receive(:warning).with('contoso', %r{nothing changed: cannot talk to the controller at kc:7443})
      expect(subject.get(context, ['contoso'])).to eq([{ name: 'contoso' }])
      expect(subject.insync?(context, 'contoso', :expect_kms, { name: 'contoso' }, { expect_kms: true })).to be true
    end

    it 'fails where it must not be' do
      subject.canonicalize(context, [{ name: 'contoso', strict: true }])
      expect { subject.get(context, ['contoso']) }.to raise_error(Puppet::ResourceError, %r{kc:7443})
    end
  end
end
