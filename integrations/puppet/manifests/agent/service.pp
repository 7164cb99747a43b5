# SPDX-License-Identifier: Apache-2.0

# @summary The agent's service.
# @api private
class keymedic::agent::service {
  service { $keymedic::agent::service_name:
    ensure => $keymedic::agent::service_ensure,
    enable => $keymedic::agent::service_enable,
  }
}
