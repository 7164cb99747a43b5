# -*- coding: utf-8 -*-
# SPDX-License-Identifier: Apache-2.0

from __future__ import absolute_import, division, print_function

__metaclass__ = type

DOCUMENTATION = r"""
name: keymedic
short_description: The machines of a KeyMedic estate
version_added: 0.1.0
description:
  - The machines that the controller knows, with what their agents have told, as hosts. Groups are made of that with
    I(keyed_groups) and I(groups).
  - A host has the name of its machine. Where several have the same name, the beginning of its id stands behind it.
  - The file ends in C(.keymedic.yml) or C(.keymedic.yaml).
author: KeyMedic (@keymedic)
extends_documentation_fragment:
  - keymedic.fleet.controller
  - constructed
  - inventory_cache
options:
  plugin:
    description: Says that the file is for this plugin.
    type: str
    required: true
    choices: [keymedic.fleet.keymedic]
  filter:
    description:
      - A selector, such as C(site=berlin and role=kms_client). The controller applies it. Without it, all machines.
    type: str
    default: ""
"""

EXAMPLES = r"""
# fleet.keymedic.yml: the clients of Berlin, grouped by role, site, finding and edition
plugin: keymedic.fleet.keymedic
profile: contoso
filter: site=berlin and role=kms_client
keyed_groups:
  - key: keymedic_roles
    prefix: role
  - key: keymedic_labels.site | default('none')
    prefix: site
  - key: keymedic_findings
    prefix: finding
  - key: keymedic_edition
    prefix: edition
groups:
  unlicensed: keymedic_license_status != 'LICENSE_STATUS_LICENSED'
compose:
  ansible_host: inventory_hostname ~ '.contoso.example'
cache: true
cache_plugin: ansible.builtin.jsonfile
cache_connection: ~/.cache/keymedic-inventory
cache_timeout: 300
"""

import collections
import os
import re

from ansible.errors import AnsibleParserError
from ansible.plugins.inventory import BaseInventoryPlugin, Cacheable, Constructable

from ansible_collections.keymedic.fleet.plugins.module_utils.client import (
    CONNECTION, MISSING, Client, ControllerError, missing_library, to_dict)

try:
    from ansible_collections.keymedic.fleet.plugins.module_utils.v1 import (
        fleet_service_pb2 as pb, fleet_service_pb2_grpc as rpc)
except ImportError:  # client.MISSING says so
    pass

# Of a machine, as `keymedic machines list --output json` has it; a host's variables are called keymedic_*.
FIELDS = ("id", "labels", "roles", "license_status", "product", "connected", "last_seen_at", "agent_version", "banned")


def edition(product):
    """`Windows(R), Enterprise edition` is Enterprise; the name is not translated."""
    found = re.search(r", (\S+) edition$", product)
    return found.group(1) if found else product


def codes_of(findings, ids):
    """Codes by machine id, as the selector finding=CODE takes them: of what it shows, and of the causes of that."""
    codes = dict((machine, set()) for machine in ids)
    for finding in findings:
        if finding.machine_id in codes:
            codes[finding.machine_id].update(code for code in (finding.code, finding.cause_code) if code)
    return codes


def host_names(machines):
    """By machine id, no two the same; and the names that more than one machine has."""
    count = collections.Counter(machine.display_name for machine in machines)
    names = dict((machine.id, machine.display_name if count[machine.display_name] == 1 else
                  "%s-%s" % (machine.display_name, machine.id[:8])) for machine in machines)
    return names, sorted(name for name in count if count[name] > 1)


def fetch(client, selector):
    """A list of hosts with their variables, in order, which a cache can keep; and names that are not unique."""
    fleet = rpc.FleetServiceStub(client.channel)
    machines = list(client.pages(fleet.ListMachines, pb.ListMachinesRequest(filter=selector), "machines"))
    # The selector chooses machines; of these all findings count.
    findings = client.pages(fleet.ListFindings, pb.ListFindingsRequest(include_folded=True), "findings")
    codes = codes_of(findings, [machine.id for machine in machines])
    names, repeated = host_names(machines)
    hosts = []
    for machine in machines:
        fields = to_dict(machine)
        variables = dict(("keymedic_" + name, fields[name]) for name in FIELDS if name in fields)
        variables["keymedic_findings"] = sorted(codes[machine.id])
        variables["keymedic_edition"] = edition(machine.product)
        hosts.append([names[machine.id], variables])
    return hosts, repeated


class InventoryModule(BaseInventoryPlugin, Constructable, Cacheable):
    NAME = "keymedic.fleet.keymedic"

    def verify_file(self, path):
        return super(InventoryModule, self).verify_file(path) and path.endswith((".keymedic.yml", ".keymedic.yaml"))

    def parse(self, inventory, loader, path, cache=True):
        super(InventoryModule, self).parse(inventory, loader, path, cache)
        self._read_config_data(path)
        for name, variables in self._hosts(path, cache):
            self._add(name, variables)

    def _hosts(self, path, cache):
        self.load_cache_plugin()
        key = self.get_cache_key(path)
        use = self.get_option("cache")
        if use and cache:
            try:
                return self._cache[key]
            except KeyError:
                pass  # not there, or too old
        hosts = self._fetch(path)
        if use:
            self._cache[key] = hosts
        return hosts

    def _fetch(self, path):
        if MISSING is not None:
            raise AnsibleParserError(missing_library())
        options = dict((name, self.get_option(name)) for name in CONNECTION)
        try:
            hosts, repeated = fetch(Client(options, os.environ), self.get_option("filter"))
        except ControllerError as error:
            raise AnsibleParserError("%s: %s" % (path, error))
        if repeated:
            self.display.warning("%s: more than one machine is called %s; their ids stand behind their names"
                                 % (path, ", ".join(repeated)))
        return hosts

    def _add(self, name, variables):
        host = self.inventory.add_host(name)
        for key, value in variables.items():
            self.inventory.set_variable(host, key, value)
        strict = self.get_option("strict")
        variables = dict(variables, inventory_hostname=name)
        self._set_composite_vars(self.get_option("compose"), variables, host, strict=strict)
        self._add_host_to_composed_groups(self.get_option("groups"), variables, host, strict=strict)
        self._add_host_to_keyed_groups(self.get_option("keyed_groups"), variables, host, strict=strict)
