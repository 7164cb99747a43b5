# SPDX-License-Identifier: Apache-2.0

# @summary The agent of this machine: its package, its settings, its service.
#
# A machine that belongs to no controller yet joins the one that is named, with the token. Without both
# it runs and waits to be enrolled.
#
# @example
#   class { 'keymedic::agent':
#     controller => 'keymedic.contoso.example:7443',
#     token      => Sensitive(lookup('keymedic::join_token')),
#     labels     => { 'site' => 'berlin' },
#   }
#
# @param controller
#   The controller that the machine joins. It is read only while the machine is not enrolled: one that belongs to a
#   controller stays with it until somebody runs `keymedic-agent enroll` there with a token of the other one.
# @param token
#   A join token (`keymedic tokens create`). It is used as long as the machine is not enrolled, and stands in
#   `config_file`, which only administrators can read.
# @param machine_name
#   What people call this machine, if not by its host name.
# @param labels
#   Labels of this machine, for selectors.
# @param settings
#   Whatever else `agent.toml` knows, such as `{ 'plugins' => { 'memory_limit_mb' => 256 } }`.
# @param package_ensure
#   `installed`, `latest`, a version, or `absent`.
# @param package_source
#   A package file (deb, rpm, MSI) on this machine, or for the MSI a URL or share; otherwise the package comes from
#   the system's repositories.
# @param package_name
#   The package.
# @param config_file
#   Where the settings are.
# @param config_attributes
#   Owner, group and mode of that file.
# @param service_name
#   The service.
# @param service_ensure
#   Whether the service runs.
# @param service_enable
#   Whether the service starts with the system.
class keymedic::agent (
  String[1] $package_name,
  String[1] $config_file,
  Hash[Enum['owner', 'group', 'mode'], String[1]] $config_attributes,
  String[1] $service_name,
  Optional[Keymedic::Address] $controller = undef,
  Optional[Sensitive[String[1]]] $token = undef,
  Optional[String[1]] $machine_name = undef,
  Hash[String[1], String] $labels = {},
  Hash[String[1], Data] $settings = {},
  String[1] $package_ensure = 'installed',
  Optional[String[1]] $package_source = undef,
  Enum['running', 'stopped'] $service_ensure = 'running',
  Boolean $service_enable = true,
) {
  if $token and !$controller {
    fail('keymedic::agent: a token without a controller; set keymedic::agent::controller to its HOST:PORT')
  }

  contain keymedic::agent::install
  if $package_ensure != 'absent' {
    contain keymedic::agent::config
    contain keymedic::agent::service

    Class['keymedic::agent::install'] -> Class['keymedic::agent::config'] ~> Class['keymedic::agent::service']
    Class['keymedic::agent::install'] ~> Class['keymedic::agent::service']
  }
}
