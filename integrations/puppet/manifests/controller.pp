# SPDX-License-Identifier: Apache-2.0

# @summary A controller: its package, which makes an estate where there is none, its settings, its service.
#
# @example
#   class { 'keymedic::controller':
#     listen           => '0.0.0.0:7443',
#     collect_interval => '30m',
#   }
#
# @param listen
#   Where it listens for agents and operators.
# @param certificate_lifetime
#   How long a machine's certificate is good; it is renewed at two thirds of that.
# @param recovery_grace
#   How long after its certificate has ended a machine gets a new one by itself.
# @param heartbeat_interval
#   How often agents say that they live.
# @param collect_interval
#   How often agents look at their machine.
# @param settings
#   Whatever else `controller.toml` knows.
# @param package_ensure
#   `installed`, `latest`, a version, or `absent`.
# @param package_source
#   A package file (deb, rpm) on this machine; otherwise the package comes from the system's repositories.
# @param package_name
#   The package.
# @param config_file
#   Where the settings are.
# @param service_name
#   The service.
# @param service_ensure
#   Whether the service runs.
# @param service_enable
#   Whether the service starts with the system.
class keymedic::controller (
  String[1] $package_name,
  String[1] $config_file,
  String[1] $service_name,
  Optional[Keymedic::Address] $listen = undef,
  Optional[Keymedic::Duration] $certificate_lifetime = undef,
  Optional[Keymedic::Duration] $recovery_grace = undef,
  Optional[Keymedic::Duration] $heartbeat_interval = undef,
  Optional[Keymedic::Duration] $collect_interval = undef,
  Hash[String[1], Data] $settings = {},
  String[1] $package_ensure = 'installed',
  Optional[String[1]] $package_source = undef,
  Enum['running', 'stopped'] $service_ensure = 'running',
  Boolean $service_enable = true,
) {
  if $facts['os']['family'] == 'windows' {
    fail('keymedic::controller: the controller runs on Linux; on Windows there is keymedic::agent')
  }

  contain keymedic::controller::install
  if $package_ensure != 'absent' {
    contain keymedic::controller::config
    contain keymedic::controller::service

    Class['keymedic::controller::install'] -> Class['keymedic::controller::config'] ~> Class['keymedic::controller::service']
    Class['keymedic::controller::install'] ~> Class['keymedic::controller::service']
  }
}
