# SPDX-License-Identifier: Apache-2.0

# @summary The controller's settings.
# @api private
class keymedic::controller::config {
  $settings = $keymedic::controller::settings + {
    'listen'               => $keymedic::controller::listen,
    'certificate_lifetime' => $keymedic::controller::certificate_lifetime,
    'recovery_grace'       => $keymedic::controller::recovery_grace,
    'heartbeat_interval'   => $keymedic::controller::heartbeat_interval,
    'collect_interval'     => $keymedic::controller::collect_interval,
  }

  file { $keymedic::controller::config_file:
    ensure  => file,
    owner   => 'root',
    group   => 'root',
    mode    => '0644',
    content => keymedic::to_toml($settings),
  }
}
