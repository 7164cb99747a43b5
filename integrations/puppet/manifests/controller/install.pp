# SPDX-License-Identifier: Apache-2.0

# @summary The controller's package.
# @api private
class keymedic::controller::install {
  package { $keymedic::controller::package_name:
    ensure => $keymedic::controller::package_ensure,
    source => $keymedic::controller::package_source,
  }
}
