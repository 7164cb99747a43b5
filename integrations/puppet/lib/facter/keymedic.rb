# SPDX-License-Identifier: Apache-2.0
#
# `keymedic`: roles, license state and findings of this machine, as its controller sees them.
require_relative '../puppet_x/keymedic/status'

Facter.add(:keymedic) do
  setcode { PuppetX::Keymedic::Status.read(PuppetX::Keymedic::Status.file) }
end
