#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The roles, run for real: on this machine's Debian under an overlay, so that what they install and write goes into a
folder of the test's. The packages are stand-ins with the names and configuration files of the real ones, whose test is
that of the packages. There is no systemd in the overlay: what the roles do with a service is not seen here but for a
stand-in of systemctl that writes down what it is told."""

import argparse
import os
import pathlib
import shutil
import sys
import tomllib
import unittest

import yaml

sys.dont_write_bytecode = True  # nothing of a test stays in the source tree
SOURCE = pathlib.Path(__file__).resolve().parents[2]
sys.path[:0] = [str(SOURCE / "tests"), str(SOURCE / "tests/docs")]
import overlay  # noqa: E402
import pages  # noqa: E402

PLAY = """\
- hosts: localhost
  connection: local
  gather_subset: ["!all", "!min", pkg_mgr, service_mgr]
  pre_tasks:
    - set_fact: {service_mgr: "{{ manager | default('none') }}", cacheable: true}
  roles:
"""
AGENT = PLAY + """\
    - role: keymedic.fleet.agent
      vars:
        keymedic_agent_package: /trees/keymedic-agent.deb
        keymedic_agent_controller: "{{ to | default('keymedic.example:7443') }}"
        keymedic_agent_token: "{{ token | default('km1.secret') }}"
        keymedic_agent_labels: {site: berlin, floor: 3, vm: true, cost.centre: "0815"}
        keymedic_agent_settings: {reconnect_seconds: 20, plugins: {timeout_seconds: 90, settings: {probe_timeout: 5s}}}
"""
CONTROLLER = PLAY + """\
    - role: keymedic.fleet.controller
      vars:
        keymedic_controller_package: /trees/keymedic-controller.deb
        keymedic_controller_settings: {listen: "0.0.0.0:7443"}
"""
FACTS = """\
- hosts: all
  connection: local
  gather_facts: false
  tasks:
    - set_fact: {{{managers}, cacheable: true}}
"""
MACHINES = "[new_linux_machines]\nlocalhost ansible_connection=local"
# Stands in for the module, which needs a controller: that a name's token is made once is seen by fleet_test.py.
TOKEN = """\
import os
from ansible.module_utils.basic import AnsibleModule

module = AnsibleModule(argument_spec=dict(name=dict(required=True), uses=dict(type="int"), lifetime=dict()))
made = os.path.exists("/made")
open("/made", "w").close()
module.exit_json(changed=not made, **({} if made else {"secret": "km1.secret"}))
"""
# What systemctl would do: the service of the agent joins as soon as it is started with a token.
SYSTEMCTL = """#!/bin/sh
echo "$*" >>/systemctl.log
case "$*" in
  "show keymedic-agent") echo "ActiveState=$(cat /active 2>/dev/null || echo inactive)"; echo LoadState=loaded ;;
  show*) echo ActiveState=active; echo LoadState=loaded ;;
  is-enabled*) test -e /enabled && echo enabled || { echo disabled; exit 1; } ;;
  enable*) touch /enabled ;;
  start*agent | restart*agent)
    echo active >/active
    if grep -q km1.secret /etc/keymedic/agent.toml; then mkdir -p /var/lib/keymedic-agent; touch /var/lib/keymedic-agent/agent.crt
      sed -n 's/^"controller" = "\\(.*\\)"/\\1/p' /etc/keymedic/agent.toml >/var/lib/keymedic-agent/controller; fi ;;
esac
"""


@unittest.skipUnless(os.geteuid() == 0, "needs root, to install packages under an overlay")
class RolesTest(unittest.TestCase):
    def setUp(self):
        self.system = overlay.of_test(self)
        self.root = self.system.root
        shutil.copytree(OPTIONS.collections, self.root / "collections")
        for name, settings in (("keymedic-agent", "agent.toml"), ("keymedic-controller", "controller.toml")):
            self.system.build_package(name, [(f"etc/keymedic/{settings}", "# as the package has it\n", 0o644)])

    def play(self, *arguments, inventory="localhost", **more):
        (self.root / "inventory").write_text(inventory + "\n")
        return self.system.run("ansible-playbook", "-i", "/inventory", "/play.yml", *arguments, HOME="/home",
                               ANSIBLE_COLLECTIONS_PATH="/collections", ANSIBLE_NOCOLOR="1", ANSIBLE_PIPELINING="1", **more)

    def settings(self, name):
        return tomllib.loads((self.root / "etc/keymedic" / name).read_text())

    def installed(self):
        return self.system.run("dpkg-query", "-W", "-f", "${Package} ${db:Status-Status}\\n", "keymedic*", check=False)

    def systemctl(self):
        """Stands in for systemd; gives the file in which it writes down what it is told."""
        program = self.root / "usr/bin/systemctl"
        program.unlink(missing_ok=True)
        program.write_text(SYSTEMCTL)
        program.chmod(0o755)
        return self.root / "systemctl.log"

    def test_agent(self):
        told = self.systemctl()
        (self.root / "play.yml").write_text(AGENT)
        shown = self.play("--check", "--diff", "-e", "manager=systemd")
        self.assertFalse((self.root / "etc/keymedic").exists(), "check mode changes nothing")
        shown += self.play("--diff", "-v", "-e", "manager=systemd")
        self.assertNotIn("km1.secret", shown)
        self.assertIn("keymedic-agent installed", self.installed())
        self.assertEqual((self.root / "etc/keymedic/agent.toml").stat().st_mode & 0o777, 0o600)
        self.assertTrue((self.root / "var/lib/keymedic-agent/agent.crt").exists(), "the service had the token")
        self.assertEqual(self.settings("agent.toml"), {  # and it is taken away once the machine has joined
            "controller": "keymedic.example:7443", "reconnect_seconds": 20,
            "labels": {"site": "berlin", "floor": "3", "vm": "true", "cost.centre": "0815"},
            "plugins": {"timeout_seconds": 90, "settings": {"probe_timeout": "5s"}}})
        self.assertIn("enable keymedic-agent", told.read_text())
        told.unlink()
        self.assertIn("changed=0 ", self.play("-e", "manager=systemd", "-e", "token=km1.another"))
        self.assertNotIn("start", told.read_text())
        moved = self.play("-e", "manager=systemd", "-e", "to=other.example:7443", check=False)
        self.assertIn("failed=1 ", moved)
        self.assertIn("changed=0 ", moved)
        self.assertIn("has joined keymedic.example:7443", " ".join(moved.split()))
        self.assertIn("keymedic-agent enroll --controller other.example:7443", " ".join(moved.split()))

    def test_new_machines_join_as_documented(self):
        """The plays of docs/ansible.md, twice, where the machine is this one and the controller makes a name's token once."""
        self.systemctl()
        plays, = (block.text for block in pages.blocks(SOURCE / "docs/ansible.md") if "role: keymedic.fleet.agent" in block.text)
        (self.root / "play.yml").write_text(FACTS.format(managers="pkg_mgr: apt, service_mgr: systemd") + plays)
        package = self.root / yaml.safe_load(plays)[1]["roles"][0]["vars"]["keymedic_agent_package"].lstrip("/")
        package.parent.mkdir(parents=True)
        shutil.copy(self.root / "trees/keymedic-agent.deb", package)
        (self.root / "collections/ansible_collections/keymedic/fleet/plugins/modules/keymedic_token.py").write_text(TOKEN)
        first = self.play(inventory=MACHINES, ANSIBLE_GATHERING="explicit")
        self.assertTrue((self.root / "var/lib/keymedic-agent/agent.crt").exists(), first)
        self.assertNotIn("token", self.settings("agent.toml"))
        again = self.play(inventory=MACHINES, ANSIBLE_GATHERING="explicit")
        self.assertIn("changed=0 ", again)
        self.assertNotIn("changed=1", again)

    def test_package_managers(self):
        (self.root / "play.yml").write_text(FACTS.format(managers="pkg_mgr: pacman, service_mgr: none") + CONTROLLER)
        told = self.play(check=False, ANSIBLE_GATHERING="explicit")
        self.assertIn("the package manager is 'pacman', and this role knows apt, dnf", " ".join(told.split()))
        (self.root / "play.yml").write_text(CONTROLLER)
        self.play(ANSIBLE_GATHERING="explicit")
        self.assertIn("keymedic-controller installed", self.installed())

    def test_controller_without_systemd(self):
        (self.root / "play.yml").write_text(CONTROLLER)
        self.play()
        self.assertIn("keymedic-controller installed", self.installed())
        self.assertEqual(self.settings("controller.toml"), {"listen": "0.0.0.0:7443"}, "and not the package's own")
        self.assertIn("changed=0 ", self.play())


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--collections", required=True, help="folder in which the collection is built")
    OPTIONS, rest = parser.parse_known_args()
    OPTIONS.collections = os.path.abspath(OPTIONS.collections)
    unittest.main(argv=[sys.argv[0], *rest], verbosity=2)
