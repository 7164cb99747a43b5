#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The packages, installed in a bare Debian 12 that is booted with its own systemd: a controller and
an agent enrol, find, treat, are upgraded, downgraded, removed and purged. `./dev package --test`.

    tests/packages/packages_test.py --packages build/packages --cache build/packages-test \\
        --estate tests/estates/small.textproto [ARGUMENT OF unittest...]

Prints two figures, as `./dev bench` does: the size of the agent with what it needs, and the seconds
from `apt install` to the first diagnosis.
"""

import argparse
import json
import pathlib
import re
import shutil
import sys
import tempfile
import time
import unittest

from machine import LATER, BareRoot, Machine, call, chroot, eventually, later, place, why_not

OPTIONS = argparse.Namespace()
ADMIN = {f"KEYMEDIC_{name}": f"/var/lib/keymedic/{file}"
         for name, file in (("CA", "ca.crt"), ("CERT", "admin.crt"), ("KEY", "admin.key"))}
ADMIN["KEYMEDIC_CONTROLLER"] = "localhost:7443"
NAMES = ["keymedic-agent", "keymedic-controller", "keymedic", "keymedic-plugin-sdk"]
AGENT, CONTROLLER = "keymedic-agent.service", "keymedic-controller.service"
STATE = {"keymedic-agent": "/var/lib/keymedic-agent", "keymedic-controller": "/var/lib/keymedic"}


def deb(name):
    [found] = OPTIONS.packages.glob(f"{name}_*.deb")
    return found


def rpms():
    return sorted(OPTIONS.packages.glob("*.rpm"))


def figure(bench, value, unit, floor=None, n=1):
    ratio = None if floor is None else round(value / floor, 2)
    print(json.dumps({"bench": bench, "value": value, "unit": unit, "floor": floor, "ratio": ratio, "n": n}), flush=True)


class Operator:
    """The command `keymedic` on a machine that has the controller."""

    def __init__(self, machine):
        self._machine = machine

    def keymedic(self, *arguments):
        return self._machine.run("keymedic", *arguments, **ADMIN).stdout

    def json(self, *arguments):
        return json.loads(self.keymedic(*arguments, "--output", "json"))

    def token(self, uses=1):
        return self.keymedic("tokens", "create", "--uses", str(uses)).strip()

    def machines(self):
        return {machine["display_name"]: machine for machine in self.json("machines", "list").get("machines", [])}

    def connected(self, name):
        return self.machines().get(name, {}).get("connected", False)

    def findings(self):
        return {finding["code"] for finding in self.json("findings", "list").get("findings", [])
                if finding["severity"] in ("SEVERITY_CRITICAL", "SEVERITY_WARNING")}


class Files(unittest.TestCase):
    """What stands in the packages, without installing them."""

    def test_lintian_has_nothing_to_say(self):
        done = call("lintian", "--allow-root", "--profile", "debian", "--fail-on", "error,warning",
                    *map(deb, NAMES), check=False)
        self.assertEqual((done.returncode, done.stdout), (0, ""), done.stderr)

    def test_rpmlint_finds_no_error(self):
        done = call("rpmlint", "-c", pathlib.Path(__file__).parents[2] / "packaging/rpm/rpmlint.toml", *rpms(), check=False)
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertRegex(done.stdout, r"\b0 errors")

    def test_deb_and_rpm_hold_the_same_files(self):
        for name in NAMES:
            [rpm] = OPTIONS.packages.glob(f"{name}-[0-9]*.rpm")
            listed = call("rpm", "-qp", "--qf", "[%{FILEMODES:perms} %{FILEUSERNAME} %{FILENAMES}\n]", rpm).stdout
            listed = listed.replace("/usr/share/zsh/site-functions/", "/usr/share/zsh/vendor-completions/")
            in_rpm = {path: (mode, user) for mode, user, path in (line.split(None, 2) for line in listed.splitlines())
                      if mode[0] != "d" and not path.startswith(("/usr/share/licenses/", "/usr/share/doc/", "/usr/share/man/"))}
            listed = call("dpkg-deb", "--contents", deb(name)).stdout
            in_deb = {}
            for line in listed.splitlines():
                mode, owner, _, _, _, path = line.split(None, 5)
                path = re.sub("^/lib/systemd/", "/usr/lib/systemd/", path.split(" -> ")[0].lstrip("."))
                if mode[0] != "d" and not path.startswith(("/usr/share/doc/", "/usr/share/man/", "/usr/share/lintian/")):
                    in_deb[path] = (mode, owner.split("/")[0])
            self.assertTrue(in_rpm)
            self.assertEqual(in_rpm, in_deb)

    def test_rpm_takes_its_files_and_keeps_what_an_admin_changed(self):
        with tempfile.TemporaryDirectory() as root:
            install = ["rpm", "--root", root, "--nodeps", "--noscripts", "--ignorearch"]
            if why_not():
                self.skipTest(why_not())
            call(*install, "-i", *rpms())
            config = pathlib.Path(root, "etc/keymedic/agent.toml")
            self.assertEqual(config.stat().st_mode & 0o777, 0o600)
            self.assertEqual(call("rpm", "--root", root, "-V", "--nodeps", "--noscripts", "-a", check=False).stdout, "")
            config.write_text("name = 'mine'\n")
            call(*install, "-U", "--force", *rpms())
            self.assertEqual(config.read_text(), "name = 'mine'\n")

    def test_nothing_private_is_offered_to_other_packages(self):
        for rpm in rpms():
            offered = call("rpm", "-qp", "--provides", rpm).stdout
            self.assertNotIn(".so", offered)
            self.assertNotIn("libkeymedic_proto", call("rpm", "-qp", "--requires", rpm).stdout)


@unittest.skipIf(why_not(), why_not())
class Installed(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        OPTIONS.cache.mkdir(parents=True, exist_ok=True)
        cls.folder = pathlib.Path(tempfile.mkdtemp(dir=OPTIONS.cache))
        cls.addClassCleanup(shutil.rmtree, cls.folder)
        cls.debs = [deb(name) for name in NAMES[:3]]
        cls.bare = BareRoot(OPTIONS.cache, cls.folder / "base", cls.debs)

    def root(self):
        return self.bare.copy_to(self.folder / self.id().rpartition(".")[2])

    def boot(self, root):
        machine = Machine(root)
        self.addCleanup(machine.close)
        return machine

    def await_active(self, machine, unit):
        eventually(lambda: machine.show(unit, "ActiveState") == "active", f"{unit} is active",
                   lambda: machine.run("systemctl", "status", unit, check=False).stdout + machine.journal(unit))

    def test_on_a_bare_system(self):
        root = self.root()
        agent, controller, command = place(root, self.debs)
        machine = self.boot(root)
        before = machine.installed()

        begin = time.monotonic()
        machine.apt("install", agent)
        for_agent = time.monotonic() - begin
        self.await_active(machine, AGENT)
        new = {name: size for name, size in machine.installed().items() if name not in before}
        figure("package_agent_installed", round(sum(new.values()) / 1024, 1), "MiB",
               round(new["keymedic-agent"] / 1024, 1), len(new))
        print("  " + ", ".join(f"{name} {size / 1024:.1f}" for name, size in
                               sorted(new.items(), key=lambda row: -row[1])), file=sys.stderr)
        # It waits, and that is no failure.
        self.assertEqual(machine.show(AGENT, "NRestarts"), "0")
        self.assertEqual(machine.show(AGENT, "SubState"), "running")
        self.assertEqual(machine.run("systemctl", "is-enabled", AGENT).stdout.strip(), "enabled")

        said = machine.apt("install", controller)
        self.await_active(machine, CONTROLLER)
        next_line = [line for line in said.splitlines() if "Next" in line]
        self.assertEqual(len(next_line), 1, said)
        self.assertIn("with the package keymedic: ", next_line[0])
        self.assertEqual(machine.show(CONTROLLER, "User"), "keymedic")
        state = machine.run("stat", "-c", "%U:%G %a", "/var/lib/keymedic").stdout.strip()
        self.assertEqual(state, "keymedic:keymedic 700")
        exposure = machine.run("systemd-analyze", "security", "--no-pager", CONTROLLER).stdout
        level = float(re.search(r"exposure level for \S+: ([\d.]+)", exposure).group(1))
        figure("package_controller_exposure", level, "of 10", 2.5)
        self.assertLessEqual(level, 2.5, exposure)

        # What that line says works as it stands.
        machine.apt("install", command)
        told = re.search(r"(keymedic profile add .*)$", next_line[0]).group(1)
        token = machine.run("bash", "-c", told).stdout.split()[-1]
        self.assertRegex(token, r"^km1\.")

        operator = Operator(machine)
        begin = time.monotonic()
        machine.write("/etc/keymedic/agent.toml", f'controller = "kc.office.example:7443"\ntoken = "{token}"\n')
        eventually(lambda: "AGENT_STATE_UNREADABLE" in operator.findings(), "the machine is diagnosed",
                   lambda: machine.journal(AGENT) + operator.keymedic("findings", "list"))
        figure("package_to_diagnosis", round(for_agent + time.monotonic() - begin, 1), "s", round(for_agent, 1))
        self.assertEqual(machine.run("systemctl", "--failed", "--plain", "--no-legend").stdout, "")
        secret = token.split(".")[2]
        self.assertNotIn(secret, machine.run("journalctl", "--no-pager").stdout)
        self.assertEqual(machine.run("grep", "-rlF", secret, "/var/log", check=False).stdout, "")

    def test_enrol_find_treat_upgrade_downgrade_remove_purge(self):
        root = self.root()
        packages = place(root, self.debs)
        chroot(root, "apt", "-y", "install", *packages)
        # All machines of one image would share such a secret.
        self.assertEqual([file for folder in STATE.values() for file in (root / folder[1:]).glob("*")], [])
        shutil.copy(OPTIONS.estate, root / "root/estate.textproto")
        machine = self.boot(root)
        operator = Operator(machine)
        self.await_active(machine, CONTROLLER)
        self.await_active(machine, AGENT)

        # This machine is pc-001 of a lab, and the lab's own agents are the others.
        token = operator.token(uses=2)
        machine.write("/root/token", token)
        machine.run("systemd-run", "--unit=lab", "keymedic", "lab", "serve", "/root/estate.textproto",
                    "--socket", "/run/lab.sock", "--speed", "600", "--controller", "localhost:7443",
                    "--token-file", "/root/token", "--state-dir", "/root/lab", "--machines", "kms-1")
        eventually(lambda: "ready" in machine.journal("lab"), "the lab serves", lambda: machine.journal("lab"))
        settings = (f'name = "pc-001"\ncontroller = "localhost:7443"\ntoken = "{token}"\n'
                    '[plugins]\nsystem = "lab:unix:/run/lab.sock#pc-001"\n')
        machine.write("/etc/keymedic/agent.toml", settings)
        machine.run("systemctl", "restart", AGENT)
        wanted = {"HOST_FIREWALL_CLOSED", "CLIENT_KEY_NOT_GVLK"}
        self.logs = lambda: operator.keymedic("findings", "list") + machine.journal(AGENT) + machine.journal(CONTROLLER)
        eventually(lambda: wanted <= operator.findings(), "both faults are found", self.logs)
        identity = operator.machines()["pc-001"]["id"]

        self.treat_while_it_is_upgraded(machine, operator)
        eventually(lambda: not operator.findings(), "nothing is wrong any more", self.logs)

        kept = lambda: (operator.machines()["pc-001"]["id"], machine.path("/etc/keymedic/agent.toml").read_text())
        self.assertEqual(machine.run("dpkg-query", "-W", "-f", "${Version}", "keymedic-agent").stdout, LATER)
        self.assertEqual(kept(), (identity, settings))
        before = operator.keymedic("audit", "list")

        machine.apt("install", "--allow-downgrades", *packages)
        self.assertNotEqual(machine.run("dpkg-query", "-W", "-f", "${Version}", "keymedic-agent").stdout, LATER)
        self.comes_back(machine, operator)
        self.assertEqual(kept(), (identity, settings))
        for unit in (CONTROLLER, AGENT):
            machine.run("systemctl", "restart", unit)
        self.comes_back(machine, operator)
        self.assertIn(before.splitlines()[-1], operator.keymedic("audit", "list"))

        # Removing keeps it all; the same machine comes back.
        names = NAMES[:2]
        machine.apt("remove", *names)
        for name in names:
            self.assertTrue(any(machine.path(STATE[name]).iterdir()), name)
            self.assertEqual(machine.show(f"{name}.service", "LoadState"), "not-found")
        machine.apt("install", *packages)
        self.comes_back(machine, operator)
        self.assertEqual(kept(), (identity, settings))

        machine.apt("purge", *names)
        for name in names:
            self.assertFalse(machine.path(STATE[name]).exists(), name)
        self.assertFalse(machine.path("/etc/keymedic").exists())
        self.assertEqual(machine.run("systemctl", "--failed", "--plain", "--no-legend").stdout, "")

    def comes_back(self, machine, operator):
        self.await_active(machine, CONTROLLER)
        self.await_active(machine, AGENT)
        eventually(lambda: operator.connected("pc-001"), "the agent is back", self.logs)

    def treat_while_it_is_upgraded(self, machine, operator):
        plan = operator.json("remediations", "plan", "--select", "all")
        self.assertEqual({target["display_name"] for target in plan["targets"]}, {"kms-1", "pc-001"})
        # The plugin is in the middle of the repair for as long as this test wants.
        machine.signal("STOP", "keymedic-plugin-host")
        operator.keymedic("remediations", "start", plan["id"], "--plan-hash", plan["plan_hash"])
        states = lambda: {target["display_name"]: target["state"]
                          for target in operator.json("remediations", "show", plan["id"])["targets"]}
        eventually(lambda: states()["pc-001"] in ("TARGET_STATE_SENT", "TARGET_STATE_RUNNING"), "the repair runs", self.logs)

        upgrade = place(machine.folder, [later(package, self.folder) for package in self.debs])
        apt = machine.start("apt", "-y", "install", *upgrade)
        eventually(lambda: machine.show(AGENT, "ActiveState") == "deactivating", "the agent is asked to stop", self.logs)
        machine.signal("CONT", "keymedic-plugin-host")
        said = apt.communicate()[0]
        self.assertEqual(apt.returncode, 0, said)

        self.comes_back(machine, operator)
        eventually(lambda: set(states().values()) == {"TARGET_STATE_SUCCEEDED"}, "the repair succeeds",
                   lambda: f"{states()}\n{self.logs()}")
        self.assertNotIn("cut off", machine.journal(AGENT))
        self.assertNotIn("before the interruption", machine.journal(AGENT))


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    for name, what in (("packages", "folder of the packages"), ("cache", "where the bare root is kept"),
                       ("estate", "estate file of the lab")):
        parser.add_argument(f"--{name}", required=True, type=lambda path: pathlib.Path(path).resolve(), help=what)
    arguments = parser.parse_known_args(namespace=OPTIONS)[1]
    done = unittest.main(argv=[sys.argv[0], *arguments], exit=False).result.wasSuccessful()
    if done and why_not():
        print(f"skipped, but for what stands in the packages: {why_not()}", file=sys.stderr)
        sys.exit(77)
    sys.exit(not done)


if __name__ == "__main__":
    main()
