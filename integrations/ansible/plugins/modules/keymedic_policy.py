#!/usr/bin/python
# -*- coding: utf-8 -*-
# SPDX-License-Identifier: Apache-2.0

from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r"""
module: keymedic_policy
short_description: What an organisation wants of its KeyMedic estate
version_added: 0.1.0
description:
  - Sets the policy of the estate. There is one; what is left out stays as it is, and an empty list takes away what
    was there. Without any option it only tells what the policy is.
author: KeyMedic (@keymedic)
extends_documentation_fragment:
  - keymedic.fleet.controller
  - keymedic.fleet.controller.attributes
  - keymedic.fleet.rollout
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
  idempotent:
    support: full
options:
  kms_hosts:
    description: Sanctioned KMS hosts, by their full names. Empty, every host is.
    type: list
    elements: str
  expect_kms:
    description: Machines with a volume edition belong on KMS.
    type: bool
  grace_warning_days:
    description: How many days before a grace period ends to warn.
    type: int
  clock_skew_minutes:
    description: How far a clock may be off. A KMS host accepts 240.
    type: int
  agent_silent_minutes:
    description: After how long without a word an agent is a finding.
    type: int
  expiry_ahead_days:
    description: How many days before an activation ends to warn.
    type: int
  automatic:
    description: Codes of the findings that are treated as they appear.
    type: list
    elements: str
  require_approval:
    description: A plan is started only after another person than who starts it has approved it.
    type: bool
seealso:
  - module: keymedic.fleet.keymedic_remediation
"""

EXAMPLES = r"""
- name: Say which hosts are ours, and repair at night
  keymedic.fleet.keymedic_policy:
    kms_hosts: [kms-1.contoso.example, kms-2.contoso.example]
    rollout:
      canary: 3
      windows: [mon-thu 22:00-04:00]

- name: Treat wrong keys as they appear
  keymedic.fleet.keymedic_policy:
    automatic: [CLIENT_KEY_NOT_GVLK]
"""

RETURN = r"""
policy:
  description: The policy as it is now, or in check mode as it would be, by the names of the options.
  returned: success
  type: dict
"""

from ansible_collections.keymedic.fleet.plugins.module_utils import rollout
from ansible_collections.keymedic.fleet.plugins.module_utils.client import ControllerError, run

try:
    from ansible_collections.keymedic.fleet.plugins.module_utils.v1 import (
        policy_service_pb2 as pb, policy_service_pb2_grpc as rpc)
except ImportError:  # client.MISSING says so
    pass

LISTS = ("kms_hosts", "automatic")
FLAGS = ("expect_kms", "require_approval")
NUMBERS = ("grace_warning_days", "clock_skew_minutes", "agent_silent_minutes", "expiry_ahead_days")


def to_options(policy):
    options = dict((name, getattr(policy, name)) for name in FLAGS + NUMBERS)
    options.update((name, list(getattr(policy, name))) for name in LISTS)
    options["rollout"] = rollout.to_options(policy.rollout)
    return options


def apply(options, policy):
    for name in FLAGS + NUMBERS:
        if options[name] is None:
            continue
        if name in NUMBERS and options[name] < 1:
            raise ControllerError("%s is %d: give a number from 1; what is left out stays" % (name, options[name]))
        setattr(policy, name, options[name])
    for name in LISTS:
        if options[name] is not None:
            policy.ClearField(name)
            getattr(policy, name).extend(options[name])
    rollout.apply(options["rollout"] or {}, policy.rollout)


def work(module, client):
    service = rpc.PolicyServiceStub(client.channel)
    policy = client.call(service.GetPolicy, pb.GetPolicyRequest())
    before = to_options(policy)
    apply(module.params, policy)
    after = to_options(policy)
    changed = after != before
    if changed and not module.check_mode:
        policy = client.call(service.UpdatePolicy, pb.UpdatePolicyRequest(policy=policy))
        after = to_options(policy)
    result = dict(changed=changed, policy=after)
    if module._diff:
        result["diff"] = dict(before=before, after=after)
    return result


def main():
    spec = dict((name, dict(type="list", elements="str")) for name in LISTS)
    spec.update((name, dict(type="bool")) for name in FLAGS)
    spec.update((name, dict(type="int")) for name in NUMBERS)
    spec["rollout"] = dict(type="dict", options=rollout.SPEC)
    run(work, spec)


if __name__ == "__main__":
    main()
