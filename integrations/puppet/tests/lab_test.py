#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The module against a real controller with a simulated estate: what `puppet apply`, Bolt's tasks and
the plan, and facts do. Run by ctest."""

import concurrent.futures
import contextlib
import json
import os
import pathlib
import re
import socket
import sys
import tempfile
import threading
import unittest

from places import BIN, MODULE, PUPPET, SOURCE, needed, one_fact, run

sys.path.insert(0, str(SOURCE / "tests"))
from lab import Lab  # noqa: E402

# A Ruby without gRPC, as Puppet's own is: the command keymedic takes its place.
NO_GRPC = """
module Kernel
  alias require_with_grpc require
  def require(name)
    raise LoadError, "no #{name} here" if name == 'grpc'

    require_with_grpc(name)
  end
end
"""

# Clients with the same fault as the first.
MORE_FAULTS = """
faults { fault: "client_mak" machines: "pc-011" count: 1 since_days: 30 }
faults { fault: "client_mak" machines: "pc-021" count: 1 since_days: 30 }
"""

POLICY = """
keymedic_policy { 'contoso':
  kms_hosts          => ['KMS-1.office.example'],
  grace_warning_days => %(days)d,
  expect_kms         => true,
  automatic          => [],
  rollout            => {
    'canary' => %(days)d, 'soak' => '1m', 'growth' => 4, 'error_budget' => { 'percent' => 5 },
    'windows' => [{ 'begin_minute' => %(days)d, 'end_minute' => 1439 }, { 'days' => [7, 1], 'begin_minute' => 60 }],
    'health' => ['HEALTH_CONDITION_STAYS_CURED', 'HEALTH_CONDITION_CONNECTED'], 'offline' => 'OFFLINE_RULE_SKIP',
    'queue_until' => '2099-12-01T18:00:00Z', 'queue_timeout' => '1h30m',
  },
}
"""


class Door(threading.Thread):
    """The controller at another address, where the first connection is refused and all can be cut, as when it restarts."""

    def __init__(self, address):
        super().__init__(daemon=True)
        self.controller = address.rsplit(":", 1)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.listener.getsockname()[1]}"
        self.open = []
        self.refused = 0
        self.start()

    def run(self):
        with contextlib.suppress(OSError):  # until it is closed
            while True:
                caller, _ = self.listener.accept()
                if not self.refused:
                    self.refused += 1
                    caller.close()
                    continue
                controller = socket.create_connection(self.controller)
                self.open += [caller, controller]
                for one, other in ((caller, controller), (controller, caller)):
                    threading.Thread(target=self.pass_on, args=(one, other), daemon=True).start()

    @staticmethod
    def pass_on(one, other):
        with contextlib.suppress(OSError):
            while data := one.recv(65536):
                other.sendall(data)
            other.shutdown(socket.SHUT_WR)

    def cut(self):
        for end in self.open:
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)
        self.open = []

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.cut()
        self.join()


class LabTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        folder = tempfile.TemporaryDirectory()
        cls.addClassCleanup(folder.cleanup)
        cls.folder = pathlib.Path(folder.name)
        cls.lab = cls.enterClassContext(Lab(BIN, cls.folder))
        cls.lab.start_controller(profile="contoso")
        estate = cls.folder / "estate.textproto"
        estate.write_text((SOURCE / "tests/estates/small.textproto").read_text() + MORE_FAULTS)
        cls.lab.serve(estate, "--socket", cls.folder / "lab.sock", "--machines", "*1",
                      "--speed", "600")
        cls.lab.eventually(lambda: {"HOST_FIREWALL_CLOSED", "CLIENT_KEY_NOT_GVLK"} <= cls.lab.codes(), "what is wrong is found")
        (cls.folder / "no_grpc.rb").write_text(NO_GRPC)
        cls.without_grpc = {**cls.lab.environment, "RUBYOPT": f"-r{cls.folder}/no_grpc.rb"}

    def apply(self, manifest, *options, code, environment=None):
        with tempfile.TemporaryDirectory() as own:
            return run("puppet", "apply", "--confdir", own, *one_fact(own), "--modulepath", MODULE.parent, "--color", "false",
                       "--detailed-exitcodes", *options, "-e", manifest, code=code, env=environment or self.lab.environment)

    def door(self):
        """The profile of that name leads through it."""
        door = Door(self.lab.address)
        self.addCleanup(door.close)
        self.lab.add_profile("door", controller=door.address)
        return door

    def policy(self):
        return self.lab.json("policy", "show")

    def test_the_policy_becomes_what_is_said_and_a_second_run_changes_nothing(self):
        """By gRPC and, where Ruby has none, by the command: each sets what the other then finds as it should be."""
        before = self.policy()
        self.addCleanup(self.restore, before)
        done = self.apply(POLICY % {"days": 14}, "--noop", code=0)
        self.assertIn("grace_warning_days: current_value", done.stdout)
        self.assertEqual(self.policy(), before)
        for days, one, other in ((14, self.lab.environment, self.without_grpc), (15, self.without_grpc, self.lab.environment)):
            manifest = POLICY % {"days": days}
            done = self.apply(manifest, code=2, environment=one)
            self.assertIn("rollout changed: canary ", done.stdout)
            after = self.policy()
            self.assertEqual((after["kms_hosts"], after["grace_warning_days"]), (["kms-1.office.example"], days))
            self.assertEqual({name: after["rollout"][name] for name in ("canary", "soak", "error_budget")},
                             {"canary": days, "soak": "60s", "error_budget": {"percent": 5}})
            self.assertEqual(after["clock_skew_minutes"], before["clock_skew_minutes"])
            done = self.apply(manifest, code=0, environment=other)
            self.assertNotIn("changed", done.stdout)
            self.assertEqual(self.policy(), after)

    def restore(self, policy):
        """Windows would keep the other tests waiting."""
        file = self.folder / "policy.json"
        file.write_text(json.dumps({**policy, "etag": ""}))
        self.lab.keymedic("policy", "set", file)

    def test_what_goes_wrong_fails_its_resource_alone_and_says_what_to_do(self):
        other = self.folder / "other"
        # A port on which nobody listens, and that nobody else gets.
        with socket.socket() as held:
            held.bind(("127.0.0.1", 0))
            address = f"127.0.0.1:{held.getsockname()[1]}"
            self.lab.add_profile("away", controller=address)
            manifest = f"""
keymedic_policy {{ 'away': expect_kms => true, strict => true }}
keymedic_policy {{ 'contoso': clock_skew_minutes => 999 }}
keymedic_policy {{ 'default': rollout => {{ 'growth' => 0.5 }} }}
keymedic_policy {{ 'berlin': expect_kms => true }}
file {{ '{other}': content => 'x' }}
"""
            before = self.policy()
            for environment in (self.lab.environment, self.without_grpc):
                done = self.apply(manifest, code=6, environment=environment)
                for name, said in (("away", f"cannot talk to the controller at {re.escape(address)}: .*`keymedic doctor`"),
                                   ("contoso", "clock_skew_minutes: 999; a KMS host accepts 240 at most"),
                                   ("default", "growth is 0.5; it must be from 1 to 1000"), ("berlin", "no profile 'berlin'")):
                    self.assertRegex(done.stderr + done.stdout, rf"Keymedic_policy\[{name}\]: Could not evaluate: .*{said}")
                self.assertEqual(other.read_text(), "x")
                other.unlink()
                done = self.apply("keymedic_policy { 'away': expect_kms => true, rollout => { 'canary' => 9 } }", code=0,
                                  environment=environment)
                self.assertRegex(done.stderr + done.stdout,
                                 rf"Warning: .*away.*nothing changed: cannot talk to the controller at {re.escape(address)}")
                self.assertNotRegex(done.stderr + done.stdout, r"\[away\]/|Error")
            self.assertEqual(self.policy(), before)
            done = self.apply("keymedic_policy { 'default': rollout => { 'canari' => 1 } }", code=1)
            self.assertIn("keymedic_policy.rollout unrecognized key 'canari'", done.stderr)

    def test_a_controller_that_restarts_is_called_again(self):
        door = self.door()
        self.assertTrue(self.task("findings", profile="door")["findings"])
        self.assertEqual(door.refused, 1)

    def task(self, name, code=0, environment=None, **params):
        done = run("ruby", PUPPET / "tests/bolt_task.rb", MODULE, name, stdin=json.dumps({"profile": "contoso", **params}),
                   code=code, env=environment or self.lab.environment)
        return json.loads(done.stdout)

    def plan(self, code=0, **params):
        given = {"targets": "localhost", "profile": "contoso", **params}
        done = run("ruby", PUPPET / "tests/bolt_plan.rb", MODULE, "keymedic::remediate", stdin=json.dumps(given), code=code,
                   env=self.lab.environment)
        return json.loads(done.stdout)

    def remediations(self):
        return [found["id"] for found in self.lab.json("remediations", "list")["remediations"]]

    def soaking(self):
        """The newest remediation, once its first wave has ended."""
        def found():
            newest = self.remediations()[:1]
            shown = newest and self.lab.json("remediations", "show", newest[0])
            return shown if shown and shown["state"] == "REMEDIATION_STATE_RUNNING" and "succeeded" in shown["totals"] else None
        return self.lab.eventually(found, "the canary has succeeded")

    # By name the last of the tests: it heals the estate.
    def test_z_tasks_and_the_plan_repair_the_estate(self):
        both = (self.lab.environment, self.without_grpc)
        for environment in both:
            found = self.task("findings", filter="severity=critical", environment=environment)["findings"]
            firewall = next(finding for finding in found if finding["code"] == "HOST_FIREWALL_CLOSED")
            self.assertEqual((firewall["subject"], firewall["severity"], firewall["treatments"]),
                             ("kms-1", "critical", ["ensure_firewall_exception"]))
            preview = self.task("plan", selector="machine=kms-1", _noop=True, environment=environment)
            self.assertEqual([machine["name"] for machine in preview["machines"]], ["kms-1"])
            refused = self.task("plan", selector="fnding=X", code=1, environment=environment)["_error"]
            self.assertEqual(refused["kind"], "keymedic/failed")
            self.assertIn("fnding", refused["msg"])
            refused = self.task("plan", selector="all", expect_count=1, code=1, environment=environment)["_error"]
            self.assertIn("at most 1", refused["msg"])
            refused = self.task("plan", selector="all", expect_count=1, canary=1, _noop=True, code=1,
                                environment=environment)["_error"]
            self.assertIn("at most 1", refused["msg"])
        self.assertEqual(self.remediations(), [], "a preview stores nothing")
        self.assertLessEqual({"kms-1", "pc-001"}, {machine["name"] for machine in self.plan(selector="all", noop=True)["machines"]})
        self.assertEqual(self.remediations(), [])

        # By tasks and the command: the host.
        plan = self.task("plan", selector="machine=kms-1", canary=1, environment=self.without_grpc)
        self.assertEqual((plan["state"], [machine["steps"] for machine in plan["machines"]]),
                         ("planned", [["ensure_firewall_exception"]]))
        bound = {"id": plan["id"], "plan_hash": plan["plan_hash"], "environment": self.without_grpc}
        self.assertEqual(self.task("start", _noop=True, **bound)["state"], "planned")
        self.task("start", code=1, **{**bound, "plan_hash": "0" * 64})
        self.assertEqual(self.task("status", id=plan["id"])["state"], "planned")
        for environment in both:  # whoever waits in vain is told how it stands
            self.assertEqual(self.task("status", id=plan["id"], wait=1, environment=environment)["state"], "planned")
        self.task("start", **bound)
        end = self.task("status", id=plan["id"], wait=90, environment=self.without_grpc)
        self.assertEqual((end["state"], end["totals"]), ("succeeded", {"succeeded": 1}))

        # By the plan and gRPC: clients, of which all but the first stay behind the canary for an hour.
        self.lab.eventually(lambda: "HOST_FIREWALL_CLOSED" not in self.lab.codes(), "the host is seen healed")
        self.apply("keymedic_policy { 'contoso': rollout => { 'soak' => '1h' } }", code=2)
        said = self.plan(selector="machine=pc-001 or machine=pc-011", canary=1, wait=1, code=1)["_error"]
        self.assertIn("still runs after 1 s and goes on; follow it: keymedic remediations watch", said)
        one = self.soaking()
        door = self.door()
        with concurrent.futures.ThreadPoolExecutor() as pool:  # who waits learns of the pause, also after a restart
            waiting = [pool.submit(self.task, "status", id=one["id"], wait=3600, profile=profile, environment=environment)
                       for profile, environment in (("contoso", both[0]), ("contoso", both[1]), ("door", both[0]))]
            for _ in range(5):  # more often than a call that got no answer is made again by itself
                self.lab.eventually(lambda: door.open, "the watch begins")
                door.cut()
            self.lab.keymedic("remediations", "pause", one["id"], "--reason", "lunch")
            self.assertEqual([task.result()["state"] for task in waiting], ["paused"] * 3)
        self.lab.keymedic("remediations", "abort", one["id"])
        self.assertEqual(self.task("status", id=one["id"])["totals"], {"succeeded": 1, "cancelled": 1})

        # Who is left out is no success without a word.
        rest = {"selector": "finding=CLIENT_KEY_NOT_GVLK", "canary": 1, "wait": 3600}
        with concurrent.futures.ThreadPoolExecutor() as pool:
            ending = pool.submit(self.plan, **rest)
            two = self.soaking()
            left = next(target["display_name"] for target in two["targets"] if target["state"] == "TARGET_STATE_PENDING")
            self.lab.keymedic("remediations", "skip", two["id"], left)
            end = ending.result()
        self.assertEqual((end["state"], end["totals"]), ("succeeded", {"succeeded": 1, "skipped": 1}))
        self.assertIn(f"1 of 2 machines were not treated: {left} (skipped", end["warning"])
        end = self.plan(**rest)
        self.assertEqual((end["state"], [(machine["name"], machine["state"]) for machine in end["machines"]]),
                         ("succeeded", [(left, "succeeded")]))
        self.assertNotIn("warning", end)

        # And again, when there is nothing left.
        self.lab.eventually(lambda: "CLIENT_KEY_NOT_GVLK" not in self.lab.codes(), "the clients are seen healed")
        before = self.remediations()
        self.assertEqual(len(before), 4)
        again = self.plan(selector="finding=CLIENT_KEY_NOT_GVLK")
        self.assertEqual((again["state"], again["machines"]), ("nothing-to-treat", []))
        self.assertIn("nothing to treat", again["reason"])
        again = self.task("plan", selector="finding=CLIENT_KEY_NOT_GVLK", environment=self.without_grpc)
        self.assertEqual(again["state"], "nothing-to-treat")
        self.assertEqual(self.remediations(), before)

    def test_facts_come_from_the_agent_of_the_machine_without_the_network(self):
        # At the agent's true place, in a mount namespace that nobody else sees, and without any network.
        var_lib = self.folder / "var_lib"
        var_lib.mkdir()
        unshare = ["unshare", "--mount", "--net", *([] if os.geteuid() == 0 else ["--map-root-user"]), "sh", "-c",
                   'mount --bind "$0" /var/lib && exec "$@"', var_lib]
        if run(*unshare, "true", code=None).returncode != 0:
            self.skipTest("this system lets this user make no namespaces")

        def fact():
            done = run(*unshare, "facter", "--custom-dir", MODULE / "lib/facter", "--json", "keymedic", env=self.lab.environment)
            return json.loads(done.stdout)["keymedic"]

        self.assertIsNone(fact())
        state = var_lib / "keymedic-agent"
        agent = ["keymedic-agent", "--state-dir", state, "--plugin-dir", BIN.parent / "lib/keymedic/plugins",
                 "--system", f"lab:unix:{self.folder}/lab.sock#pc-002", "--name", "pc-002"]
        self.lab.run(*agent, "enroll", "--controller", self.lab.address, "--token-file", self.lab.token())
        self.assertIsNone(fact())
        self.lab.start(*agent, "run", until="AGENT_LOOKED")

        def told():
            file = state / "status.json"
            return file.exists() and json.loads(file.read_text())["findings"]
        self.lab.eventually(told, "the agent is told its findings")
        told = fact()
        self.assertEqual(told["machine_id"], (state / "machine_id").read_text().strip())
        self.assertEqual(told["roles"], ["kms_client"])
        seen = self.lab.json("machines", "show", "pc-002")
        self.assertEqual(f"LICENSE_STATUS_{told['license']['state'].upper()}", seen["license_status"])
        self.assertEqual(told["license"]["product"], seen["product"])
        self.assertIn(("CLIENT_HOST_UNREACHABLE", "critical"),
                      {(finding["code"], finding["severity"]) for finding in told["findings"]})


if __name__ == "__main__":
    needed("puppet", "facter", "ruby")
    unittest.main()
