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

    def world(self, *machines, look_every="1s"):
        world = estate.World(OPTIONS, self.folder, machines, look_every)
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

    def test_a_windows_that_does_not_answer_is_a_finding_and_the_agent_stays(self):
        world = self.world("pc-001")
        machine, controller = world.windows["pc-001"], world.controller
        agent = machine.processes("keymedic-agent.exe")
        for fault, code, said in [
            ("access-denied", "AGENT_STATE_UNREADABLE", "0x80041003"),
            ("no-class", "AGENT_STATE_UNREADABLE", "SoftwareLicensingService"),
            ("no-answer", "AGENT_STATE_UNREADABLE", "SoftwareLicensing"),
            ("unknown-status", "CLIENT_KEY_NOT_GVLK", ""),
        ]:
            with self.subTest(fault):
                machine.prefix.set_fault(fault)
                eventually(lambda: code in controller.findings() and said in
                           controller.keymedic("findings", "list", "--output", "json"),
                           f"{code} with {said}", lambda: controller.keymedic("findings", "list") + machine.log())
        self.assertIn("status 42", controller.keymedic("machines", "list"))
        machine.prefix.set_fault("")
        eventually(lambda: set(controller.findings()) == {"CLIENT_KEY_NOT_GVLK"}, "it is as before", machine.log)
        self.assertEqual(machine.processes("keymedic-agent.exe"), agent, "the agent has ended meanwhile")

    def test_a_refused_key_is_a_result_with_its_meaning(self):
        world = self.world("kms-1", "pc-001")
        controller = world.controller
        eventually(lambda: "CLIENT_KEY_NOT_GVLK" in controller.findings(), "the key is found", world.logs)
        world.windows["pc-001"].prefix.set_fault("refuse=0xC004F069")
        plan = controller.json("remediations", "plan", "--select", "finding=CLIENT_KEY_NOT_GVLK")
        with self.assertRaises(estate.lab.Failure):
            controller.keymedic("remediations", "start", plan["id"], "--plan-hash", plan["plan_hash"], "--watch")
        shown = controller.keymedic("remediations", "show", plan["id"], "--output", "json")
        self.assertIn("0xC004F069", shown)
        self.assertIn("SKU", shown)  # the error table's words for it
        self.assertEqual(world.windows["pc-001"].service_state(), "RUNNING")

    def test_a_service_whose_plugins_hang_runs_and_stops(self):
        machine = self.world("pc-001").windows["pc-001"]
        machine.tell("sc", "stop", estate.SERVICE)
        eventually(lambda: machine.service_state() == "STOPPED", "the service stops", machine.log)
        self.assertEqual(machine.processes("keymedic-plugin-host.exe"), [])
        machine.prefix.set_fault("hang")
        machine.tell("sc", "start", estate.SERVICE)
        eventually(lambda: machine.service_state() == "RUNNING", "the service runs", machine.log)
        eventually(lambda: machine.processes("keymedic-plugin-host.exe"), "the plugin host runs", machine.log)
        machine.tell("sc", "stop", estate.SERVICE)
        eventually(lambda: machine.service_state() == "STOPPED", "the service stops all the same", machine.log)
        eventually(lambda: not machine.processes("keymedic-plugin-host.exe"), "the plugin host goes with it")

    def test_the_plugin_host_ends_with_its_agent_and_the_machine_stays_the_same(self):
        world = self.world("pc-001")
        machine = world.windows["pc-001"]
        before = world.controller.machines()["pc-001"]["id"]
        [agent] = machine.processes("keymedic-agent.exe")
        eventually(lambda: machine.processes("keymedic-plugin-host.exe"), "the plugin host runs", machine.log)
        os.kill(agent, signal.SIGKILL)
        eventually(lambda: not machine.processes("keymedic-plugin-host.exe"), "the plugin host goes with it")
        eventually(lambda: not world.controller.machines()["pc-001"]["connected"], "its stream ends", world.logs)
        machine.tell("sc", "start", estate.SERVICE)
        eventually(lambda: world.controller.machines()["pc-001"]["connected"], "it is back", world.logs)
        self.assertEqual(world.controller.machines()["pc-001"]["id"], before)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    for name, what in (("native", "folder of the native programs"), ("windows", "folder of the Windows build"),
                       ("msi", "the package"), ("estate", "estate file of the lab")):
        parser.add_argument(f"--{name}", required=True, type=lambda path: pathlib.Path(path).resolve(), help=what)
    arguments = parser.parse_known_args(namespace=OPTIONS)[1]
    unittest.main(argv=[sys.argv[0], *arguments])


if __name__ == "__main__":
    main()
