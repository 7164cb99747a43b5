#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The whole way on Windows: installed from the package, enrolled, found, repaired, verified; and the
service as Windows' service control manager sees it. `./dev windows -R end_to_end` runs it.
"""

import argparse
import os
import pathlib
import re
import signal
import sys
import tempfile
import unittest

import estate
from estate import eventually

OPTIONS = argparse.Namespace()


class EndToEnd(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="kme2e-")
        self.addCleanup(folder.cleanup)
        self.folder = folder.name

    def world(self, *machines, config="collect_interval_seconds = 5\n"):
        world = estate.World(OPTIONS, self.folder, machines, config)
        self.addCleanup(world.close)
        return world

    def test_a_mak_and_a_closed_firewall_are_found_repaired_and_verified(self):
        world = self.world("kms-1", "pc-001")
        controller = world.controller
        eventually(
            lambda: {"HOST_FIREWALL_CLOSED", "CLIENT_KEY_NOT_GVLK"} <= set(controller.findings()),
            "both faults are found", lambda: controller.keymedic("findings", "list") + world.logs())
        self.assertEqual(controller.findings()["HOST_FIREWALL_CLOSED"], {"kms-1"})
        self.assertEqual(controller.findings()["CLIENT_KEY_NOT_GVLK"], {"pc-001"})

        plan = controller.json("remediations", "plan", "--select", "all")
        self.assertEqual({target["display_name"] for target in plan["targets"]}, {"kms-1", "pc-001"})
        controller.keymedic("remediations", "start", plan["id"], "--plan-hash", plan["plan_hash"], "--watch")
        done = controller.json("remediations", "show", plan["id"])
        states = {target["display_name"]: target["state"] for target in done["targets"]}
        self.assertEqual(set(states.values()), {"TARGET_STATE_SUCCEEDED"}, states)
        eventually(lambda: not controller.findings(), "nothing is wrong any more",
                   lambda: controller.keymedic("findings", "list") + world.logs())

        shown = controller.keymedic("machines", "show", "pc-001")
        self.assertIn("LICENSE_STATUS_LICENSED", shown)
        self.assertIn("VOLUME_KMSCLIENT", shown)
        audit = controller.keymedic("audit", "list")
        for act in ("machine.enroll", "remediation.plan", "remediation.start", "command.apply"):
            self.assertIn(act, audit)
        for text in (shown, audit, world.logs()):
            self.assertIsNone(re.search(r"\b[A-Z0-9]{5}(-[A-Z0-9]{5}){4}\b", text), "a product key in full")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    for name, what in (("native", "folder of the native programs"), ("windows", "folder of the Windows build"),
                       ("msi", "the package"), ("estate", "estate file of the lab")):
        parser.add_argument(f"--{name}", required=True, type=lambda path: pathlib.Path(path).resolve(), help=what)
    arguments = parser.parse_known_args(namespace=OPTIONS)[1]
    unittest.main(argv=[sys.argv[0], *arguments])


if __name__ == "__main__":
    main()
