# SPDX-License-Identifier: Apache-2.0

# @summary The agent's package.
# @api private
class keymedic::agent::install {
  package { $keymedic::agent::package_name:
    ensure => $keymedic::agent::package_ensure,
    source => $keymedic::agent::package_source,
  }
}
