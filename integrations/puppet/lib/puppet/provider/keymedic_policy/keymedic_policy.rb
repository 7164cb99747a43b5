# SPDX-License-Identifier: Apache-2.0
require_relative '../../../puppet_x/keymedic/client'

module Puppet::Provider::KeymedicPolicy
  # Reads and writes the policies of controllers; see the type.
  class KeymedicPolicy
    # One form for what means the same, so that only true differences are changes: the one that is stored.
    def canonicalize(context, resources)
      resources.each do |resource|
        strict[resource[:name]] = true if resource[:strict]
        [:kms_hosts, :automatic, :rollout].each do |attribute|
          value = resource[attribute]
          resource[attribute] = send(attribute, value) if fits?(context, attribute, value)
        end
      end
    end

    def get(context, names)
      attributes = context.type.attributes.keys - [:name, :strict]
      names.map do |name|
        policy = policies[name] = PuppetX::Keymedic.connect(name).policy
        state = attributes.to_h { |attribute| [attribute, policy[attribute.to_s]] }.compact
        canonicalize(context, [{ **state, name: name, rollout: known(context, policy['rollout'] || {}) }]).first
      rescue PuppetX::Keymedic::Unavailable => e
        raise if strict[name]

        context.warning(name, "nothing is compared and nothing changed: #{e.message}")
        { name: name }
      end
    rescue PuppetX::Keymedic::Error => e
      raise Puppet::ResourceError, e.message
    end

    # Names of `rollout` that are not given stay as they are. What could not be read is let be.
    def insync?(_context, name, attribute, is, should)
      return true unless policies.key?(name)
      return unless attribute == :rollout

      differing = should[:rollout].reject { |key, value| is[:rollout][key] == value }
      return true if differing.empty?

      told = differing.map { |key, value| "#{key} #{is[:rollout][key].inspect} to #{value.inspect}" }
      [false, "rollout changed: #{told.join(', ')}"]
    end

    def set(_context, changes)
      changes.each do |name, change|
        should = change[:should].reject { |attribute, _| [:name, :strict].include?(attribute) }.transform_keys(&:to_s)
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

    # Those that fail when their controller is away: `get` is told names alone.
    def strict
      @strict ||= {}
    end

    def type_of(context, attribute)
      Puppet::Pops::Types::TypeParser.singleton.parse(context.type.attributes[attribute][:type])
    end

    # Others stay as they are, for the type to refuse.
    def fits?(context, attribute, value)
      !value.nil? && type_of(context, attribute).instance?(value)
    end

    # Without what a newer controller knows.
    def known(context, rollout)
      rollout.slice(*type_of(context, :rollout).type.elements.map(&:name))
    end

    def kms_hosts(names)
      names.map(&:downcase).sort.uniq
    end

    def automatic(codes)
      codes.map(&:upcase).sort.uniq
    end

    def rollout(given)
      given.to_h { |name, value| [name, canonical(name, value)] }
    end

    def canonical(name, value)
      case name
      when 'soak', /_timeout\z/ then value && seconds(value)
      when 'health' then value.sort.uniq
      when 'windows' then value.map { |window| window(window) }
      else value
      end
    end

    def window(given)
      whole = { 'days' => [], 'begin_minute' => 0, 'end_minute' => 0 }.merge(given)
      whole.merge('days' => whole['days'].sort.uniq)
    end

    # As the protocol prints it: 90s, 1.500s.
    def seconds(time)
      units = { 's' => 1, 'm' => 60, 'h' => 3600 }
      sum = time.scan(/([0-9.]+)([smh])/).sum { |number, unit| number.to_r * units[unit] }
      format('%.9fs', sum).sub(/\.?(000)+s\z/, 's')
    end
  end
end
