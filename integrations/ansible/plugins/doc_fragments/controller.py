# -*- coding: utf-8 -*-
# SPDX-License-Identifier: Apache-2.0
"""What the documentation of all modules and plugins says about the connection."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type


class ModuleDocFragment(object):
    DOCUMENTATION = r"""
options:
  controller:
    description:
      - The controller as C(HOST:PORT). Then I(ca), I(cert) and I(key) are needed too.
      - Without it, and without I(profile), it is found as the command C(keymedic) finds it, in the environment
        (C(KEYMEDIC_CONTROLLER), C(KEYMEDIC_CA), C(KEYMEDIC_CERT), C(KEYMEDIC_KEY), or C(KEYMEDIC_PROFILE)) or as
        the default profile.
    type: str
  ca:
    description: File with the certificate of the controller's authority, PEM.
    type: path
  cert:
    description: File with your certificate, PEM.
    type: path
  key:
    description: File with its private key, PEM.
    type: path
  profile:
    description: A profile that C(keymedic profile add) has stored. I(controller) goes before it.
    type: str
requirements:
  - grpcio (Debian has it as C(python3-grpcio))
  - protobuf (Debian has it as C(python3-protobuf))
  - tomli, for profiles and a Python before 3.11
notes:
  - Runs where it can reach the controller, most often with C(delegate_to=localhost). Nothing is needed on the
    machines of the fleet but their agents.
"""

    ATTRIBUTES = r"""
options: {}
attributes:
  check_mode:
    description: Can run in check mode and say what would change without changing it.
  diff_mode:
    description: Says what changed, or would change, when run with C(--diff).
  idempotent:
    description: Run again with the same options, it changes nothing.
  platform:
    description: Where the module itself can run.
    platforms: posix
    support: full
"""
