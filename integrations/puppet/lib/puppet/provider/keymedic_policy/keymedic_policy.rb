# SPDX-License-Identifier: Apache-2.0
require_relative '../../../puppet_x/keymedic/client'

module Puppet::Provider::KeymedicPolicy
  # Reads and writes the policies of controllers; see the type.
  class KeymedicPolicy
    # One form for what means the same, so that only true differences are changes.
    def canonicalize(_context, resources)
      resources.each do |resource|
        resource[:kms_hosts] = resource[:kms_hosts].map(&:downcase).sort.uniq if resource[:kms_hosts]
        resource[:automatic] = resource[:automatic].map(&:upcase).sort.uniq if resource[:automatic]
        resource[:rollout] = resource[:rollout].to_h { |name, value| [name, canonical(name, value)] } if resource[:rollout]
      end
    end

    def get(context, names)
      attributes = context.type.attributes.keys - [:name]
      names.map do |name|
        policy = policies[name] = PuppetX::Keymedic.connect(name).policy
        state = attributes.to_h { |attribute| [attribute, policy[attribute.to_s]] }.compact
        canonicalize(context, [{ name: name, rollout: {} }.merge(state)]).first
      end
    rescue PuppetX::Keymedic::Error => e
      raise Puppet::ResourceError, e.message
    end

    # Names of `rollout` that are not given stay as they are.
    def insync?(_context, _name, attribute, is, should)
      return unless attribute == :rollout

      differing = should[:rollout].reject { |name, value| is[:rollout][name] == value }
      return true if differing.empty?

      told = differing.map { |name, value| "#{name} #{is[:rollout][name].inspect} to #{value.inspect}" }
      [false, "rollout changed: #{told.join(', ')}"]
    end

    def set(_context, changes)
      changes.each do |name, change|
        should = change[:should].reject { |attribute, _| attribute == :name }.transform_keys(&:to_s)
        read = policies.fetch(name)
        should['rollout'] = (read['rollout'] || {}).merge(should['rollout']) if should['rollout']
        PuppetX::Keymedic.connect(name).update_policy(read.merge(should))
      end
    rescue PuppetX::Keymedic::Error => e
      raise Puppet::ResourceError, e.message
    end

    private

    # As they were read, with their etags.
    def policies
      @policies ||= {}
    end

    def canonical(name, value)
      return value unless value.is_a?(String) && (name == 'soak' || name.end_with?('_timeout'))

      parts = value.scan(/(\d+)([smh])/)
      return value if parts.empty? || parts.join != value

      "#{parts.sum { |number, unit| number.to_i * { 's' => 1, 'm' => 60, 'h' => 3600 }[unit] }}s"
    end
  end
end
