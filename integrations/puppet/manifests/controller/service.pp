# SPDX-License-Identifier: Apache-2.0

# @summary The controller's service.
# @api private
class keymedic::controller::service {
  service { $keymedic::controller::service_name:
    ensure => $keymedic::controller::service_ensure,
    enable => $keymedic::controller::service_enable,
  }
}
