#!/usr/bin/python
# -*- coding: utf-8 -*-
# SPDX-License-Identifier: Apache-2.0

from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r"""
module: keymedic_finding_info
short_description: What is wrong in a KeyMedic estate, by cause
version_added: 0.1.0
description:
  - Lists the findings, most severe and widest first. Forty clients behind a closed firewall are one finding.
author: KeyMedic (@keymedic)
extends_documentation_fragment:
  - keymedic.fleet.controller
  - keymedic.fleet.controller.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: N/A
  idempotent:
    support: full
options:
  filter:
    description: A selector, such as C(severity=critical and site=berlin). Without it, all findings.
    type: str
  include_folded:
    description: Also what follows from a cause.
    type: bool
    default: false
seealso:
  - module: keymedic.fleet.keymedic_remediation
"""

EXAMPLES = r"""
- name: What is critical in Berlin
  keymedic.fleet.keymedic_finding_info:
    filter: severity=critical and site=berlin
  register: critical

- name: Say it in a line for each cause
  ansible.builtin.debug:
    msg: "{{ item.code }} on {{ item.subject }}: {{ item.affected_machines | length }} machines"
  loop: "{{ critical.findings }}"
  loop_control:
    label: "{{ item.code }}"
"""

RETURN = r"""
findings:
  description: The findings with the fields that C(keymedic findings list --output json) shows.
  returned: success
  type: list
  elements: dict
  contains:
    code:
      description: Such as C(CLIENT_KEY_NOT_GVLK).
      type: str
      returned: always
    severity:
      description: C(SEVERITY_CRITICAL), C(SEVERITY_WARNING), C(SEVERITY_NOTICE) or C(SEVERITY_INFO).
      type: str
      returned: always
    subject:
      description: The machine, record or pool that it is about.
      type: str
      returned: always
    title:
      description: What is wrong.
      type: str
      returned: always
    affected_machines:
      description: Every machine that suffers from it.
      type: list
      elements: str
      returned: always
    treatments:
      description: What would cure it, in order, safest first.
      type: list
      elements: dict
      returned: always
    why_untreatable:
      description: What a person has to do where there is no treatment.
      type: str
      returned: always
machines:
  description:
    - The names of all machines that suffer from one of them, each once, sorted. With I(filter) only those that it
      chooses; C(affected_machines) of a cause has others, too.
  returned: success
  type: list
  elements: str
"""

from ansible_collections.keymedic.fleet.plugins.module_utils.client import run, to_dict

try:
    from ansible_collections.keymedic.fleet.plugins.module_utils.v1 import (
        fleet_service_pb2 as pb, fleet_service_pb2_grpc as rpc)
except ImportError:  # client.MISSING says so
    pass


def work(module, client):
    fleet = rpc.FleetServiceStub(client.channel)
    request = pb.ListFindingsRequest(filter=module.params["filter"] or "",
                                     include_folded=module.params["include_folded"])
    findings = list(client.pages(fleet.ListFindings, request, "findings"))
    machines = set(machine for finding in findings for machine in finding.affected_machines)
    if module.params["filter"]:
        chosen = client.pages(fleet.ListMachines, pb.ListMachinesRequest(filter=module.params["filter"]), "machines")
        machines &= set(machine.display_name for machine in chosen)
    return dict(changed=False, findings=[to_dict(finding) for finding in findings], machines=sorted(machines))


def main():
    run(work, dict(filter=dict(type="str"), include_folded=dict(type="bool", default=False)))


if __name__ == "__main__":
    main()
