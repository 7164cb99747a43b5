# -*- coding: utf-8 -*-
# SPDX-License-Identifier: Apache-2.0
"""The option `rollout`, which a remediation and the policy have in common."""

from __future__ import absolute_import, division, print_function

__metaclass__ = type


class ModuleDocFragment(object):
    DOCUMENTATION = r"""
options:
  rollout:
    description: How a repair is rolled out. What is left out here is the estate's policy, then a default.
    type: dict
    suboptions:
      canary:
        description: Machines that go first, behind the hosts. If one is lost, the rest is cancelled. Default 1.
        type: int
      first_wave:
        description: Machines in the wave behind the canary. Default 10.
        type: int
      growth:
        description: Of each wave over the one before. Default 3.
        type: float
      concurrency:
        description: Machines in flight at the same time. Default 50.
        type: int
      host_concurrency:
        description: Of those, at one KMS host.
        type: int
      site_concurrency:
        description: Of those, at one site (label C(site)).
        type: int
      error_budget:
        description: How many may fail, as machines (C(3)) or percent of all (C(5%)). Default C(20%).
        type: str
      soak:
        description: How long to wait between waves (C(30m)); then the treated machines must be well.
        type: str
      health:
        description: What must hold of the treated machines after soaking. Default all.
        type: list
        elements: str
        choices: [stays_cured, no_new_critical, connected]
      windows:
        description: When machines may be treated, in their own time, as C(fri,sat 22:00-04:00). Default at any time.
        type: list
        elements: str
      missed_window:
        description: A machine that missed its window waits for the next one, is left out, or begins all the same.
        type: str
        choices: [next, skip, run]
      offline:
        description: A machine that is away waits, or is left out.
        type: str
        choices: [queue, skip]
      queue_until:
        description: How long it waits, a day (C(2026-12-01)) or an instant (C(2026-12-01T06:00:00Z)).
        type: str
      queue_timeout:
        description: The same as a time from the start (C(8h)). I(queue_until) goes before it.
        type: str
      step_timeout:
        description: For one step on one machine. Default C(5m).
        type: str
      verify_timeout:
        description: For the findings to be gone. Default C(2m).
        type: str
"""
