# SPDX-License-Identifier: Apache-2.0

# @summary The agent's settings.
# @api private
class keymedic::agent::config {
  $settings = $keymedic::agent::settings + {
    'controller' => $keymedic::agent::controller,
    'token'      => $keymedic::agent::token,
    'name'       => $keymedic::agent::machine_name,
    'labels'     => $keymedic::agent::labels,
  }

  file { $keymedic::agent::config_file:
    ensure    => file,
    content   => Sensitive(keymedic::to_toml($settings)),
    show_diff => false,
    backup    => false, # no copy of the token anywhere
    *         => $keymedic::agent::config_attributes,
  }
}
