# SPDX-License-Identifier: Apache-2.0
#
# Where the controller is and with which certificate: as the command `keymedic` finds it
# (`keymedic profile add`), so that both know the same estates by the same names.
require 'etc'

module PuppetX; end

module PuppetX::Keymedic
  # What went wrong, with the remedy; for people.
  class Error < StandardError; end

  Profile = Struct.new(:controller, :ca, :certificate, :key)

  # `name` 'default': what the command takes without --profile.
  def self.find_profile(name, env = ENV)
    return from_environment(env) if name == 'default' && !env['KEYMEDIC_CONTROLLER'].to_s.empty?

    path = profiles_path(env)
    default, profiles = File.exist?(path) ? read_profiles(path) : ['', {}]
    name = env['KEYMEDIC_PROFILE'] || default if name == 'default'
    profiles[name] ||
      raise(Error, "no profile '#{name}' in #{path}; as the user that Puppet runs as: keymedic profile add #{name} " \
                   '--controller HOST:PORT --ca FILE --cert FILE --key FILE')
  end

  # Puppet's service runs without HOME.
  def self.home(env = ENV)
    env['HOME'] || Etc.getpwuid.dir
  end

  def self.profiles_path(env)
    base = [env['XDG_CONFIG_HOME'], env['APPDATA']].find { |folder| !folder.to_s.empty? }
    File.join(base || File.join(home(env), '.config'), 'keymedic', 'profiles.toml')
  end

  def self.from_environment(env)
    profile = Profile.new(*['CONTROLLER', 'CA', 'CERT', 'KEY'].map { |name| env["KEYMEDIC_#{name}"].to_s })
    return profile unless profile.to_a.any?(&:empty?)

    raise Error, 'KEYMEDIC_CONTROLLER is set, so KEYMEDIC_CA, KEYMEDIC_CERT and KEYMEDIC_KEY must name the PEM files ' \
                 'to use with it'
  end

  # The part of TOML that `keymedic profile` writes: tables of texts.
  def self.read_profiles(path)
    default = ''
    profiles = {}
    profile = nil
    File.readlines(path, chomp: true, encoding: 'UTF-8').each_with_index do |line, i|
      case line.strip
      when '', /\A#/, '[profiles]' then next
      when /\A\[profiles\.(?:"([^"\\]*)"|'([^']*)'|([\w-]+))\]\z/
        profile = profiles[Regexp.last_match.captures.compact.first] = Profile.new('', '', '', '')
      when /\A(\w+)\s*=\s*(?:"([^"\\]*)"|'([^']*)')\z/
        key, value = Regexp.last_match.captures.compact
        if profile.nil? then default = value if key == 'default'
        elsif Profile.members.include?(key.to_sym) then profile[key] = value
        end
      else
        raise Error, "#{path}:#{i + 1}: this is not what `keymedic profile add` writes; remove the file and add the " \
                     'profiles again'
      end
    end
    [default, profiles]
  end
end
