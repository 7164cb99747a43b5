# -*- coding: utf-8 -*-
# SPDX-License-Identifier: Apache-2.0

from __future__ import absolute_import, division, print_function

__metaclass__ = type

import unittest

import ansible.plugins.loader  # noqa: F401  before the collection is imported, as it looks for collections itself

from ansible_collections.keymedic.fleet.plugins.inventory.keymedic import codes_of, edition
from ansible_collections.keymedic.fleet.plugins.module_utils.v1 import finding_pb2 as pb


class InventoryTest(unittest.TestCase):
    def test_editions(self):
        self.assertEqual(edition("Windows(R), Enterprise edition"), "Enterprise")
        self.assertEqual(edition("Windows(R) 7, Professional edition"), "Professional")
        self.assertEqual(edition("Something else"), "Something else")
        self.assertEqual(edition(""), "")

    def test_codes_are_those_of_causes_and_of_what_follows(self):
        findings = [pb.Finding(code="HOST_FIREWALL_CLOSED", subject="kms", affected_machines=["a", "b", "gone"]),
                    pb.Finding(code="CLIENT_HOST_UNREACHABLE", subject="a", cause_code="HOST_FIREWALL_CLOSED")]
        codes = codes_of(findings, ["a", "b", "kms"])
        self.assertEqual(codes["a"], {"HOST_FIREWALL_CLOSED", "CLIENT_HOST_UNREACHABLE"})
        self.assertEqual(codes["b"], {"HOST_FIREWALL_CLOSED"})
        self.assertEqual(codes["kms"], {"HOST_FIREWALL_CLOSED"})


if __name__ == "__main__":
    unittest.main()
