#!/usr/bin/python
# -*- coding: utf-8 -*-
# SPDX-License-Identifier: Apache-2.0

from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r"""
module: keymedic_machine_info
short_description: Machines of a KeyMedic estate
version_added: 0.1.0
description:
  - Lists the machines of the estate with their state, or gives one with everything that its agent has told.
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
    description: A selector, such as C(finding=CLIENT_KEY_NOT_GVLK and site=berlin). Without it, all machines.
    type: str
  name:
    description: One machine, by its id, or by its name if that is unique. It then has C(state), too.
    type: str
seealso:
  - module: keymedic.fleet.keymedic_finding_info
"""

EXAMPLES = r"""
- name: Which machines of Berlin have a wrong key
  keymedic.fleet.keymedic_machine_info:
    filter: finding=CLIENT_KEY_NOT_GVLK and site=berlin
  register: wrong

- name: What the agent of one machine has told
  keymedic.fleet.keymedic_machine_info:
    name: pc-berlin-017
  register: machine

- name: Which edition it is
  ansible.builtin.debug:
    msg: "{{ machine.machines[0].state.os.edition_id }}"
"""

RETURN = r"""
machines:
  description: The machines, by name, with the fields that C(keymedic machines list --output json) shows.
  returned: success
  type: list
  elements: dict
  contains:
    id:
      description: Its id, which it keeps when it is renamed.
      type: str
      returned: always
    display_name:
      description: As people call it.
      type: str
      returned: always
    labels:
      description: Its labels, such as C(site).
      type: dict
      returned: always
    roles:
      description: C(kms_client), C(kms_host).
      type: list
      elements: str
      returned: always
    connected:
      description: Whether its agent is connected now.
      type: bool
      returned: always
    license_status:
      description: Of its Windows, such as C(LICENSE_STATUS_LICENSED).
      type: str
      returned: always
    product:
      description: Its Windows, such as C(Windows(R\), Enterprise edition).
      type: str
      returned: always
    findings:
      description: How many warnings and critical findings it has.
      type: int
      returned: always
    state:
      description: The sections of its state by name (C(os), C(licensing), C(kms_client) and others).
      type: dict
      returned: with I(name)
"""

from ansible_collections.keymedic.fleet.plugins.module_utils.client import run, to_dict

try:
    from ansible_collections.keymedic.fleet.plugins.module_utils.v1 import (
        fleet_service_pb2 as pb, fleet_service_pb2_grpc as rpc, section_pb2)
except ImportError:  # client.MISSING says so
    pass


def state_of(machine):
    """Sections by name. One whose type this collection does not know is left out."""
    state = {}
    for section in machine.sections:
        kind = getattr(section_pb2, section.type.split(".")[-1], None)
        if kind is not None:
            state[section.name] = to_dict(kind.FromString(section.payload))
    return state


def work(module, client):
    fleet = rpc.FleetServiceStub(client.channel)
    name = module.params["name"]
    if name:
        machine = client.call(fleet.GetMachine, pb.GetMachineRequest(name=name))
        described = to_dict(machine)
        described["state"] = state_of(machine)
        described.pop("sections", None)
        return dict(changed=False, machines=[described])
    request = pb.ListMachinesRequest(filter=module.params["filter"] or "")
    machines = [to_dict(machine) for machine in client.pages(fleet.ListMachines, request, "machines")]
    for machine in machines:
        machine.pop("sections", None)  # only GetMachine has them
    return dict(changed=False, machines=machines)


def main():
    run(work, dict(filter=dict(type="str"), name=dict(type="str")), mutually_exclusive=[("filter", "name")])


if __name__ == "__main__":
    main()
