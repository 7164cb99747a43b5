#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The collection against a real controller with a lab's estate: the playbook that repairs a fleet, each module, and
the inventory plugin. The tests share the estate; each treats machines of its own, in the order of their names."""

import argparse
import json
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True  # nothing of a test stays in the source tree
sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
import lab  # noqa: E402
from programs import HERE, Ansible  # noqa: E402

MACHINES = 41
WRONG_KEYS = "finding=CLIENT_KEY_NOT_GVLK or finding=CLIENT_KEY_WRONG_EDITION"
CACHING_OFF = "finding=CLIENT_CACHING_OFF"
REPAIR = "keymedic.fleet.repair"
INVENTORY = """\
plugin: keymedic.fleet.keymedic
keyed_groups:
  - {key: keymedic_roles, prefix: role}
  - {key: keymedic_labels.site, prefix: site}
  - {key: keymedic_findings, prefix: finding}
  - {key: keymedic_edition, prefix: edition}
groups:
  of_munich: keymedic_labels.site == 'munich'
compose:
  ansible_host: inventory_hostname ~ '.office.example'
"""


class FleetTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.lab = cls.enterClassContext(lab.Lab(OPTIONS.bin, FOLDER))
        cls.lab.start_controller()
        # Machines on their own, so that a test can take them away.
        (cls.lab.folder / "machines").mkdir()
        cls.machines = cls.enterClassContext(lab.Lab(OPTIONS.bin, cls.lab.folder / "machines"))
        cls.machines.address = cls.lab.address
        cls.machines.environment |= cls.lab.credentials
        cls.machines.serve(HERE / "estate.textproto")
        cls.ansible = Ansible(OPTIONS.collections, FOLDER, cls.lab.credentials)

    def remediate(self, **options):
        return self.ansible.task("keymedic_remediation", **options)

    def affected(self, selector):
        return self.ansible.task("keymedic_finding_info", filter=selector)["machines"]

    def stored_plans(self):
        return self.lab.json("remediations", "list").get("remediations", [])

    def commands_sent(self):
        """What machines were told to do, but for looking, as REMEDIATION/TARGET, each once."""
        return set(re.findall(r'AGENT_COMMAND_DONE","msg":"([^/"]+/\d+)/\d+/(?!check)', self.machines.logs()))

    def playbook(self, name, tasks, **more):
        path = self.lab.folder / name
        path.write_text(json.dumps([{"hosts": "localhost", "gather_facts": False, "tasks": tasks, **more}]))
        return path

    # --- Looking ---

    def test_10_machines(self):
        found = self.ansible.task("keymedic_machine_info", filter="site=munich and not role=kms_host")
        self.assertFalse(found["changed"])
        self.assertEqual([machine["display_name"] for machine in found["machines"]],
                         [f"pc-munich-{number:03}" for number in range(1, 21)])
        self.assertEqual(len(self.ansible.task("keymedic_machine_info")["machines"]), MACHINES)
        one = self.ansible.task("keymedic_machine_info", name="pc-munich-001")["machines"][0]
        self.assertEqual(one["state"]["os"]["edition_id"], "Professional")
        self.assertEqual(one["state"]["licensing"]["products"][0]["description"].split(",")[1].strip(),
                         "VOLUME_KMSCLIENT channel")

    def test_11_findings(self):
        wrong = self.ansible.task("keymedic_finding_info", filter="finding=CLIENT_KEY_WRONG_EDITION")
        self.assertEqual({finding["code"] for finding in wrong["findings"]}, {"CLIENT_KEY_WRONG_EDITION"})
        self.assertEqual(len(wrong["machines"]), 3)
        slip = self.ansible.task("keymedic_finding_info", filter="fnding=X")
        self.assertTrue(slip["failed"])
        self.assertIn("finding", slip["msg"])
        self.assertEqual(slip["code"], "INVALID_ARGUMENT")

    def test_11_machines_are_those_of_the_filter(self):
        """The cause is on one machine, and what follows from it on others."""
        told = self.ansible.task("keymedic_finding_info", filter="machine=pc-munich-019")
        self.assertEqual(told["findings"][0]["affected_machines"], ["kms-1", "pc-munich-019"])
        self.assertEqual(told["machines"], ["pc-munich-019"])

    def test_12_pages(self):
        """Every machine once, though the controller gives few at a time."""
        told = self.python("""
            from ansible_collections.keymedic.fleet.plugins.module_utils import client
            from ansible_collections.keymedic.fleet.plugins.module_utils.v1 import fleet_service_pb2, fleet_service_pb2_grpc
            client.PAGE_SIZE = 7
            fleet = client.Client({})
            stub = fleet_service_pb2_grpc.FleetServiceStub(fleet.channel)
            request = fleet_service_pb2.ListMachinesRequest()
            print(*[machine.display_name for machine in fleet.pages(stub.ListMachines, request, "machines")])
            """).split()
        self.assertEqual(len(told), MACHINES)
        self.assertEqual(len(set(told)), MACHINES)

    def python(self, program):
        text = "\n".join(line.strip() for line in program.splitlines())
        done = subprocess.run(["/usr/bin/python3", "-B", "-c", text], check=True, stdout=subprocess.PIPE, text=True,
                              env={**self.ansible.environment, "PYTHONPATH": str(self.ansible.collections)})
        return done.stdout

    # --- The inventory ---

    def inventory(self, text, name="fleet.keymedic.yml", check=True, **more):
        path = self.lab.folder / name
        path.write_text(text)
        done = self.ansible.run("ansible-inventory", "-i", path, "--list", check=check, **more)
        return json.loads(done.stdout[done.stdout.index("{"):]) if check else done.stdout

    def test_20_inventory_groups_and_cache(self):
        cached = INVENTORY + (f"cache: true\ncache_plugin: ansible.builtin.jsonfile\ncache_timeout: 3600\n"
                              f"cache_connection: {self.lab.folder}/cache\n")
        told = self.inventory(cached)
        self.assertEqual(told["role_kms_host"]["hosts"], ["kms-1"])
        self.assertEqual(len(told["role_kms_client"]["hosts"]), MACHINES)  # a host is a client of itself
        self.assertEqual(len(told["site_berlin"]["hosts"]), 20)
        self.assertEqual(len(told["of_munich"]["hosts"]), 21)
        self.assertEqual(sorted(told["edition_Enterprise"]["hosts"]), [f"pc-berlin-{n:03}" for n in range(1, 21)])
        self.assertEqual(told["edition_ServerStandard"]["hosts"], ["kms-1"])
        self.assertEqual(sorted(told["finding_CLIENT_KEY_NOT_GVLK"]["hosts"]),
                         self.affected("finding=CLIENT_KEY_NOT_GVLK"))
        variables = told["_meta"]["hostvars"]["pc-munich-001"]
        self.assertEqual(variables["keymedic_labels"]["site"], "munich")
        self.assertEqual(variables["ansible_host"], "pc-munich-001.office.example")
        away = {**self.ansible.environment, "KEYMEDIC_CONTROLLER": "127.0.0.1:1"}
        self.assertEqual(self.inventory(cached, env=away), told)
        asked = self.inventory(INVENTORY, check=False, env=away)
        self.assertIn("controller at 127.0.0.1:1: failed to connect", " ".join(asked.split()))

    def test_21_inventory_filter_is_the_controllers(self):
        told = self.inventory(INVENTORY + "filter: site=berlin and finding=CLIENT_KEY_NOT_GVLK\n")
        self.assertEqual(sorted(told["_meta"]["hostvars"]), self.affected("finding=CLIENT_KEY_NOT_GVLK"))
        two = self.inventory(INVENTORY + "filter: finding=CLIENT_HOST_UNREACHABLE\n")
        self.assertEqual(two["finding_CLIENT_HOST_UNREACHABLE"]["hosts"], ["pc-munich-019"])
        self.assertEqual(two["finding_HOST_REQUEST_NOT_SEEN"]["hosts"], ["pc-munich-019"], "what the filter does not name")
        slip = self.inventory(INVENTORY + "filter: rolle=kms_client\n", check=False)
        self.assertIn("role", slip)
        self.assertIn("fleet.keymedic.yml", slip)

    # --- Connecting ---

    def test_30_profiles_of_the_command(self):
        bare = {key: value for key, value in self.ansible.environment.items() if not key.startswith("KEYMEDIC_C")
                and key != "KEYMEDIC_KEY"}
        self.lab.add_profile("office")
        settings = pathlib.Path(bare["HOME"]) / ".config"
        settings.symlink_to(self.lab.environment["XDG_CONFIG_HOME"])
        self.addCleanup(settings.unlink)
        told = self.ansible.play(self.playbook("profiles.yml", [
            {"name": "the default", "keymedic.fleet.keymedic_policy": {}},
            {"name": "by name", "keymedic.fleet.keymedic_policy": {"profile": "office"}},
            {"name": "a slip", "keymedic.fleet.keymedic_policy": {"profile": "ofice"}, "ignore_errors": True}]), env=bare)
        for task in ("the default", "by name"):
            self.assertIn("kms_hosts", told.task(task)["policy"])
        self.assertIn("no profile 'ofice'", told.task("a slip")["msg"])
        self.assertIn("there are: office", told.task("a slip")["msg"])
        once = self.ansible.play(self.playbook("defaults.yml", [{"name": "asked", "keymedic.fleet.keymedic_policy": {}}],
                                               module_defaults={"group/keymedic.fleet.keymedic": self.lab.connection}), env=bare)
        self.assertIn("kms_hosts", once.task("asked")["policy"])

    def test_31_errors_name_the_remedy(self):
        away = self.ansible.task("keymedic_policy", **{**self.lab.connection, "controller": "127.0.0.1:1"})
        self.assertIn("127.0.0.1:1", away["msg"])
        self.assertIn("keymedic doctor", away["msg"])
        self.assertEqual(away["code"], "UNAVAILABLE")
        half = self.ansible.task("keymedic_policy", controller=self.lab.address)
        self.assertIn("ca, cert, key", half["msg"])
        lost = self.ansible.task("keymedic_policy", **{**self.lab.connection, "key": "/nowhere/admin.key"})
        self.assertIn("/nowhere/admin.key", lost["msg"])

    def test_32_without_grpcio(self):
        """A Python that has none of Debian's modules."""
        bare = self.lab.folder / "bare"
        subprocess.run(["/usr/bin/python3", "-m", "venv", "--without-pip", bare], check=True)
        done = self.ansible.run("ansible", "localhost", "-m", "keymedic.fleet.keymedic_policy", "-e",
                                f"ansible_python_interpreter={bare}/bin/python3", check=False).stdout
        self.assertIn("Failed to import the required Python library (grpcio)", done)
        self.assertIn("apt install python3-grpcio", done)

    # --- Remediation ---

    def test_40_repairs_a_fleet(self):
        """Check mode first; then a canary and the rest; then again with no change."""
        wrong = self.affected(WRONG_KEYS)
        self.assertEqual(len(wrong), 8)
        plans = len(self.stored_plans())

        many = self.remediate(selector=WRONG_KEYS, expect_count=7)
        self.assertTrue(many["failed"])
        self.assertIn("gives 8 targets, and at most 7 were expected", many["msg"])

        looked = self.remediate(selector=WRONG_KEYS, _ansible_check_mode=True)
        self.assertTrue(looked["changed"])
        self.assertEqual(looked["totals"], {"pending": 8})
        self.assertEqual(len(self.stored_plans()), plans, "check mode alone stores nothing")

        asked = self.ansible.play(REPAIR, "--check", "--diff")
        self.assertEqual(asked.stats()["changed"], 1)
        plan = asked.task("Treat a canary, then the rest")
        self.assertEqual(sorted(plan["diff"]["after"]), wrong)
        for machine in wrong:
            key = "2YT43" if "berlin" in machine else "T83GX"
            self.assertEqual(plan["diff"]["after"][machine]["partial_key"], key)
            self.assertNotEqual(plan["diff"]["before"][machine]["partial_key"], key)
        self.assertIn('+        "partial_key": "T83GX"', asked.text)
        self.assertEqual(self.affected(WRONG_KEYS), wrong, "no machine is changed in check mode")
        self.assertEqual(self.commands_sent(), set())

        none = self.remediate(selector=WRONG_KEYS, expect_count=0)
        self.assertIn("has 8 targets, and at most 0 were expected", none["msg"])
        self.assertIn("from 0", self.remediate(selector=WRONG_KEYS, expect_count=-1)["msg"])

        done = self.ansible.play(REPAIR, "--diff", "-e", json.dumps(
            {"keymedic_expect_count": 8, "keymedic_rollout": {"canary": 3, "error_budget": "5%"}}))
        self.assertEqual(done.stats()["changed"], 1)
        repair = done.task("Treat a canary, then the rest")
        self.assertEqual(repair["totals"], {"succeeded": 8})
        self.assertEqual(sorted(target["machine"] for target in repair["targets"]), wrong)
        self.assertEqual(sum(target["wave"] == 1 for target in repair["targets"]), 3, "the canary")
        self.assertEqual(sorted(repair["diff"]["after"]), wrong)
        self.assertEqual(done.task("Report")["msg"]["wrong_keys_now"], "0")
        self.assertEqual(self.affected(WRONG_KEYS), [])
        self.assertEqual(len(self.commands_sent()), 8)

        again = self.ansible.play(REPAIR)
        self.assertEqual(again.stats()["changed"], 0)
        self.assertEqual(again.task("Treat a canary, then the rest")["state"], "nothing-to-treat")
        self.assertFalse(self.remediate(selector=WRONG_KEYS, expect_count=0)["changed"])
        self.assertFalse(self.remediate(selector=WRONG_KEYS, _ansible_check_mode=True, _ansible_diff=True)["changed"])

    def test_41_a_plan_is_started_by_its_hash(self):
        first = self.affected(CACHING_OFF)[0]
        plan = self.remediate(selector=f"machine={first} and {CACHING_OFF}", state="planned")
        self.assertFalse(plan["changed"])
        self.assertEqual(plan["state"], "planned")
        self.assertIn("plan_hash is needed", self.remediate(id=plan["id"])["msg"])
        other = self.remediate(id=plan["id"], plan_hash="0" * 64)
        self.assertTrue(other["failed"])
        self.assertEqual((other["id"], other["plan_hash"], other["changed"]), (plan["id"], plan["plan_hash"], False))
        many = self.remediate(id=plan["id"], plan_hash=plan["plan_hash"], expect_count=0)
        self.assertIn(f"the plan {plan['id']} has 1 targets, and at most 0 were expected", many["msg"])
        for option in ({"treat": ["activate"]}, {"approve": ["activate"]}, {"again": True}):
            self.assertIn("mutually exclusive: id|", self.remediate(id=plan["id"], **option)["msg"])
        self.assertIn(first, self.affected(CACHING_OFF))
        done = self.remediate(id=plan["id"], plan_hash=plan["plan_hash"], expect_count=1, rollout={"soak": "7s"})
        self.assertTrue(done["changed"])
        self.assertEqual(done["state"], "succeeded")
        self.assertEqual(self.lab.json("remediations", "show", plan["id"])["policy"]["soak"], "7s")
        again = self.remediate(id=plan["id"], plan_hash=plan["plan_hash"])
        self.assertFalse(again["changed"])
        self.assertEqual(again["state"], "succeeded")

    def test_42_waiting_pausing_aborting(self):
        """Out of its maintenance window a machine waits."""
        day = subprocess.run(["date", "-u", "-d", "+3 days", "+%a"], check=True, capture_output=True, text=True,
                             env={"LC_ALL": "C"}).stdout.strip().lower()
        machine = self.affected(CACHING_OFF)[-1]
        waits = self.remediate(selector=f"machine={machine} and {CACHING_OFF}", wait_timeout=1,
                               rollout={"windows": [f"{day} 12:00-12:01"]})
        self.assertTrue(waits["failed"])
        self.assertIn("is running still, after 1 s, and goes on", waits["msg"])
        self.assertEqual(waits["failed_machines"], [])
        self.lab.keymedic("remediations", "pause", waits["id"], "--reason", "lunch")
        paused = self.remediate(id=waits["id"])
        self.assertTrue(paused["failed"])
        self.assertIn("is paused: lunch", paused["msg"])
        self.assertIn(f"keymedic remediations resume {waits['id']}", paused["msg"])
        self.lab.keymedic("remediations", "abort", waits["id"], "--reason", "change cancelled")
        aborted = self.remediate(id=waits["id"])
        self.assertIn("is aborted: change cancelled", aborted["msg"])
        self.assertEqual([failed["machine"] for failed in aborted["failed_machines"]], [machine])

    def test_43_a_repair_that_fails_reports(self):
        """Its budget is used up by the first machine, and the second one is left as it is."""
        done = self.ansible.play(REPAIR, "-e", json.dumps({
            "keymedic_selector": "machine=kms-1 or machine=pc-munich-019 or machine=pc-munich-020 and finding=CLIENT_CACHING_OFF",
            "keymedic_rollout": {"canary": 1, "error_budget": "1"}}), check=False)
        self.assertEqual((done.stats()["failures"], done.stats()["changed"]), (1, 0))
        self.assertIn("is stopped-by-budget", done.task("Treat a canary, then the rest")["msg"])
        report = done.task("Report")["msg"]
        self.assertIn("stopped-by-budget", report["remediation"])
        self.assertEqual({lost["machine"]: lost["state"] for lost in report["failed"]},
                         {"pc-munich-019": "failed", "pc-munich-020": "cancelled"})
        self.assertEqual(report["wrong_keys_before"], "3")
        self.assertNotEqual(report["wrong_keys_now"], "0", "it was looked again")
        refused = self.ansible.play(REPAIR, "-e", "keymedic_expect_count=-1", check=False)
        self.assertEqual(refused.task("Report")["msg"]["remediation"].strip(), "not made")

    def test_44_says_who_failed_and_why(self):
        failed = self.remediate(selector="machine=kms-1 or machine=pc-munich-019", again=True)
        self.assertTrue(failed["failed"])
        self.assertFalse(failed["changed"], "nothing was changed on any machine")
        self.assertEqual(failed["state"], "failed")
        self.assertEqual([lost["machine"] for lost in failed["failed_machines"]], ["pc-munich-019"])
        # The host is a target, too, as long as it shows a finding of that.
        self.assertRegex(failed["msg"], r"; 1 of [12] machines did not end well: pc-munich-019 failed \(")
        self.assertIn("0xC004F074", failed["failed_machines"][0]["message"])
        self.assertIn(f"keymedic remediations retry {failed['id']}` plans what is left", failed["msg"])
        # What did not help is not tried again, and that is said.
        again = self.remediate(selector="machine=kms-1 or machine=pc-munich-019")
        self.assertFalse(again["changed"])
        self.assertEqual(again["state"], "nothing-to-treat")
        self.assertIn("did not help", again["untreatable"][0]["why"])
        self.assertIn("CLIENT_HOST_UNREACHABLE on pc-munich-019", again["warnings"][0])

    def test_45_what_is_not_treated(self):
        none = self.remediate(selector="machine=pc-berlin-020")
        self.assertFalse(none["changed"])
        self.assertEqual([finding["code"] for finding in none["untreatable"]], ["CLIENT_NON_GENUINE"])
        self.assertIn("never means everything", self.remediate(selector="")["msg"])
        self.assertIn("give a time such as 30m", self.remediate(selector="all", rollout={"soak": "soon"})["msg"])

    # --- Policy and tokens ---

    def test_50_policy(self):
        wanted = {"kms_hosts": ["kms-1.office.example"], "require_approval": False, "automatic": [],
                  "rollout": {"canary": 2, "error_budget": "5%", "soak": "30m", "windows": ["sat-mon 22:00-04:00"],
                              "health": ["connected"], "missed_window": "skip"}}
        told = self.ansible.play(self.playbook("policy.yml", [
            {"name": "looked", "keymedic.fleet.keymedic_policy": wanted, "check_mode": True},
            {"name": "still", "keymedic.fleet.keymedic_policy": {}},
            {"name": "done", "keymedic.fleet.keymedic_policy": wanted},
            {"name": "again", "keymedic.fleet.keymedic_policy": wanted}]), "--diff")
        looked, still, done, again = (told.task(name) for name in ("looked", "still", "done", "again"))
        self.assertEqual([task["changed"] for task in (looked, still, done, again)], [True, False, True, False])
        self.assertEqual(looked["diff"]["before"]["kms_hosts"], [])
        self.assertEqual(looked["diff"]["after"]["kms_hosts"], wanted["kms_hosts"])
        self.assertEqual(still["policy"]["kms_hosts"], [])
        self.assertEqual(done["policy"]["rollout"]["windows"], ["sat,sun,mon 22:00-04:00"])
        self.assertEqual(self.lab.json("policy", "show")["rollout"]["canary"], 2)
        # What is left out stays, what is empty goes.
        less = self.ansible.task("keymedic_policy", kms_hosts=[], rollout={"windows": []})
        self.assertEqual(less["policy"]["kms_hosts"], [])
        self.assertEqual(less["policy"]["rollout"], {
            key: value for key, value in done["policy"]["rollout"].items() if key != "windows"})
        self.assertIn("240", self.ansible.task("keymedic_policy", clock_skew_minutes=900)["msg"])
        self.assertIn("no finding 'NO_SUCH'", self.ansible.task("keymedic_policy", automatic=["NO_SUCH"])["msg"])

    def test_51_tokens(self):
        kept = self.lab.folder / "kept"
        wanted = {"name": "berlin", "uses": 2, "lifetime": "8h", "labels": {"site": "berlin"}}
        told = self.ansible.play(self.playbook("token.yml", [
            {"name": "looked", "keymedic.fleet.keymedic_token": wanted, "check_mode": True},
            {"name": "made", "keymedic.fleet.keymedic_token": wanted, "register": "made"},
            {"name": "keep", "ansible.builtin.copy": {"content": "{{ made.secret }}", "dest": str(kept), "mode": "0600"},
             "no_log": True},
            {"name": "again", "keymedic.fleet.keymedic_token": wanted}]), "-vvv")
        self.assertEqual([told.task(name)["changed"] for name in ("looked", "made", "again")], [True, True, False])
        self.assertIn("from 1", self.ansible.task("keymedic_token", uses=0)["msg"])
        self.assertIn("from 1", self.ansible.task("keymedic_token", uses=-2)["msg"])
        secret = kept.read_text()
        self.assertTrue(secret.startswith("km1."), "the secret can be registered")
        self.assertNotIn(secret, told.text, "and is not shown")
        self.assertNotIn("secret", told.task("again"))
        self.join(secret)
        again = self.ansible.task("keymedic_token", **wanted)
        self.assertFalse(again["changed"])
        self.assertEqual(again["token"]["uses_left"], 1)
        gone = self.ansible.task("keymedic_token", name="berlin", state="absent")
        self.assertTrue(gone["changed"])
        self.assertFalse(self.ansible.task("keymedic_token", id=gone["token"]["id"], state="absent")["changed"])
        self.assertFalse(self.ansible.task("keymedic_token", name="no such", state="absent")["changed"])
        with self.assertRaisesRegex(lab.Failure, "revoked"):
            self.join(secret)
        self.assertIn("is revoked", self.ansible.task("keymedic_token", name="berlin")["msg"])

    def test_52_secrets_of_a_loop_are_not_shown(self):
        kept = self.lab.folder / "several"
        told = self.ansible.play(self.playbook("tokens.yml", [
            {"name": "made", "keymedic.fleet.keymedic_token": {"labels": {"floor": "{{ item }}", "vm": True}}, "loop": [1, 2],
             "register": "made"},
            {"name": "keep", "no_log": True, "ansible.builtin.copy": {
                "content": "{{ made.results | map(attribute='secret') | join(' ') }}", "dest": str(kept), "mode": "0600"}}]), "-vvv")
        secrets = kept.read_text().split()
        self.assertEqual(len(secrets), 2)
        for secret in secrets:
            self.assertNotIn(secret, told.text)
            self.assertNotIn(secret, told.returned)
        self.assertEqual(sorted(token["labels"]["vm"] for token in self.lab.json("tokens", "list")["tokens"]
                                if "vm" in token.get("labels", {})), ["true", "true"])

    # --- Machines that are away; they do not come back, so this is the last one ---

    def test_90_machines_that_are_away(self):
        machine = self.affected(CACHING_OFF)[0]
        plan = self.remediate(selector=f"machine={machine} and {CACHING_OFF}", state="planned")
        self.machines.close()
        self.lab.eventually(lambda: not self.ansible.task("keymedic_machine_info", filter="connected=true")["machines"],
                            "the machines are away")
        done = self.remediate(id=plan["id"], plan_hash=plan["plan_hash"], rollout={"offline": "skip"})
        self.assertEqual((done["state"], done["changed"]), ("succeeded", False))
        self.assertEqual([lost["machine"] for lost in done["failed_machines"]], [machine])
        self.assertIn(f"1 of 1 machines were not treated: {machine} skipped (", " ".join(done["warnings"]))

    def join(self, secret):
        state = tempfile.mkdtemp(dir=self.lab.folder)
        token = pathlib.Path(state) / "token"
        token.write_text(secret)
        self.lab.run("keymedic-agent", "--state-dir", state, "enroll", "--controller", self.lab.address, "--token-file", token)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--bin", required=True, help="folder of the programs")
    parser.add_argument("--collections", required=True, help="folder in which the collection is built")
    OPTIONS, rest = parser.parse_known_args()
    with tempfile.TemporaryDirectory(prefix="keymedic-ansible-") as FOLDER:
        unittest.main(argv=[sys.argv[0], *rest], verbosity=2)
