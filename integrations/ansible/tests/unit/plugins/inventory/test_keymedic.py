# -*- coding: utf-8 -*-
# SPDX-License-Identifier: Apache-2.0

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import unittest

import grpc

import ansible.plugins.loader  # noqa: F401  before the collection is imported, as it looks for collections itself

from ansible_collections.keymedic.fleet.plugins.inventory.keymedic import codes_of, edition, fetch, host_names
from ansible_collections.keymedic.fleet.plugins.module_utils.v1 import finding_pb2 as pb, fleet_service_pb2 as fleet


class InventoryTest(unittest.TestCase):
    def test_editions(self):
        self.assertEqual(edition("Windows(R), Enterprise edition"), "Enterprise")
        self.assertEqual(edition("Windows(R) 7, Professional edition"), "Professional")
        self.assertEqual(edition("Something else"), "Something else")
        self.assertEqual(edition(""), "")

    def test_codes_are_those_of_causes_and_of_what_follows(self):
        findings = [pb.Finding(code="HOST_FIREWALL_CLOSED", machine_id="1", affected_machines=["a", "kms", "gone"]),
                    pb.Finding(code="CLIENT_HOST_UNREACHABLE", machine_id="2", cause_code="HOST_FIREWALL_CLOSED"),
                    pb.Finding(code="CLIENT_CLOCK_SKEW", machine_id="2"),
                    pb.Finding(code="CLIENT_CLOCK_SKEW", machine_id="9"),
                    pb.Finding(code="DNS_RECORD_STALE", subject="a record")]
        self.assertEqual(codes_of(findings, ["1", "2", "3"]), {
            "1": {"HOST_FIREWALL_CLOSED"}, "3": set(),
            "2": {"HOST_FIREWALL_CLOSED", "CLIENT_HOST_UNREACHABLE", "CLIENT_CLOCK_SKEW"}})

    def test_the_filter_chooses_machines_and_not_findings(self):
        findings = [pb.Finding(code="A", machine_id="1"), pb.Finding(code="B", machine_id="1"), pb.Finding(code="A", machine_id="2")]

        class Client(object):
            channel = grpc.insecure_channel("127.0.0.1:1")  # nothing is called

            def pages(self, method, request, field):
                if field == "machines":
                    return [fleet.Machine(id="1", display_name="pc")] if request.filter == "finding=A" else []
                return [finding for finding in findings if not request.filter or finding.code == "A"]

        hosts, repeated = fetch(Client(), "finding=A")
        self.assertEqual([(name, variables["keymedic_findings"]) for name, variables in hosts], [("pc", ["A", "B"])])
        self.assertEqual(repeated, [])

    def test_no_two_hosts_have_one_name(self):
        machines = [fleet.Machine(id="11111111-aaaa", display_name="pc"), fleet.Machine(id="3", display_name="other"),
                    fleet.Machine(id="22222222-bbbb", display_name="pc")]
        names, repeated = host_names(machines)
        self.assertEqual(names, {"11111111-aaaa": "pc-11111111", "22222222-bbbb": "pc-22222222", "3": "other"})
        self.assertEqual(repeated, ["pc"])


if __name__ == "__main__":
    unittest.main()
