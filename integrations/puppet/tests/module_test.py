#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The module by itself: its form, its catalogs, its package. Run by ctest."""

import json
import os
import pathlib
import re
import shutil
import subprocess
import tarfile
import tempfile
import unittest

from places import MODULE, PUPPET, SOURCE, TARBALL, needed, one_fact, run


def manifests():
    return sorted(str(path) for folder in ("manifests", "types") for path in (PUPPET / folder).rglob("*.pp"))


class ModuleTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.own = ["--confdir", self.folder, "--vardir", self.folder / "var"]  # nothing of this system's Puppet

    def test_manifests_the_plan_and_the_tasks_are_valid_and_in_style(self):
        types = self.folder / "types.pp"  # of the tasks' parameters
        types.write_text("".join(f"type T{i} = {type}\n" for i, type in enumerate(self.types_of_tasks())))
        run("puppet", "parser", "validate", types, *manifests(), *self.own)
        run("puppet", "parser", "validate", "--tasks", PUPPET / "plans/remediate.pp", *self.own)
        done = run("puppet-lint", "--fail-on-warnings", "--no-140chars-check", "--no-autoloader_layout-check",
                   *manifests(), PUPPET / "plans/remediate.pp")
        self.assertEqual(done.stdout, "")

    def types_of_tasks(self):
        for path in sorted((PUPPET / "tasks").glob("*.json")):
            task = json.loads(path.read_text())
            self.assertEqual((task["puppet_task_version"], task["input_method"], task["supports_noop"]), (1, "stdin", True))
            self.assertTrue(path.with_suffix(".rb").exists(), path)
            for file in task["files"]:
                self.assertTrue((MODULE / file.removeprefix("keymedic/")).is_dir(), file)
            yield from (entry["type"] for entry in task["parameters"].values())

    def test_ruby_is_valid(self):
        for path in PUPPET.rglob("*.rb"):
            done = run("ruby", "-wc", path)
            self.assertEqual((done.stdout, done.stderr), ("Syntax OK\n", ""), path)

    def test_classes_functions_and_the_provider(self):
        environment = {**os.environ, "KEYMEDIC_PUPPET_MODULE": str(MODULE)}
        done = run("rspec", "--pattern", PUPPET / "spec/**/*_spec.rb", "--no-color", env=environment, cwd=self.folder)
        self.assertRegex(done.stdout, r"[1-9]\d* examples, 0 failures")

    def test_the_reference_is_what_the_sources_say(self):
        copy = self.folder / "keymedic"
        shutil.copytree(MODULE, copy)
        shutil.rmtree(copy / "lib/puppet_x")
        run("puppet", "strings", "generate", "--format", "markdown", "--out", "REFERENCE.md", cwd=copy)
        self.assertEqual((copy / "REFERENCE.md").read_text(), (PUPPET / "REFERENCE.md").read_text(),
                         "make it again: integrations/puppet/make-reference")

    def test_the_package_is_whole_and_always_the_same(self):
        version = re.search(r"project\(keymedic VERSION (\S+)", (SOURCE / "CMakeLists.txt").read_text())[1]
        self.assertEqual(TARBALL.name, f"keymedic-keymedic-{version}.tar.gz")
        run("/usr/bin/python3", "-B", PUPPET / "build-module", version, self.folder)
        self.assertEqual((self.folder / TARBALL.name).read_bytes(), TARBALL.read_bytes())
        with tarfile.open(TARBALL) as tar:
            metadata = json.load(tar.extractfile(f"keymedic-keymedic-{version}/metadata.json"))
        self.assertEqual((metadata["name"], metadata["version"]), ("keymedic-keymedic", version))
        self.assertTrue({"author", "summary", "license", "source", "dependencies"} <= set(metadata))
        self.assertIn("windows", {system["operatingsystem"] for system in metadata["operatingsystem_support"]})
        self.assertIn(f"## {version}\n", (PUPPET / "CHANGELOG.md").read_text())

        target = self.folder / "modules"
        run("puppet", "module", "install", TARBALL, "--ignore-dependencies", "--target-dir", target, *self.own)
        run("puppet", "apply", "--noop", "--confdir", self.folder, *one_fact(self.folder / "facts"), "--modulepath", target,
            "-e", "include keymedic::agent, keymedic::controller")


# A stand-in for the agent's package: a file that administrators change, and a service that writes that it
# was started. The true packages have a test of their own.
INIT_SCRIPT = """#!/bin/sh
### BEGIN INIT INFO
# Provides: keymedic-agent
# Required-Start:
# Required-Stop:
# Default-Start: 2 3 4 5
# Default-Stop:
### END INIT INFO
case "$1" in
start | restart) echo "$1" >>/var/lib/keymedic-agent.log; touch /run/keymedic-agent ;;
stop) echo "$1" >>/var/lib/keymedic-agent.log; rm -f /run/keymedic-agent ;;
status) [ -e /run/keymedic-agent ] ;;
esac
"""

# The whole system as it is, with everything that is written going into memory.
IN_A_COPY = r"""
set -e
mount -t tmpfs tmpfs "$1"
mkdir "$1/upper" "$1/work" "$1/root"
mount -t overlay overlay -o "lowerdir=/,upperdir=$1/upper,workdir=$1/work" "$1/root"
mount -t proc proc "$1/root/proc"
mount --rbind /dev "$1/root/dev"
mount -t tmpfs tmpfs "$1/root/run"
mount -t tmpfs tmpfs "$1/root/tmp"
mount --bind "$2" "$1/root/mnt"
exec chroot "$1/root" /bin/bash -e /mnt/script
"""

SCRIPT = """
export LC_ALL=C.UTF-8
cp -r /mnt/var /tmp/var
apply() {
  code=0
  puppet apply --confdir /tmp/conf @FACTS@ --modulepath /mnt/modules --detailed-exitcodes "$@" /mnt/site.pp >/tmp/out 2>&1 || code=$?
  echo "$code"
}
apply --noop
test ! -e /etc/keymedic/agent.toml
apply
cat /tmp/out >/mnt/first.log
apply
cat /var/lib/keymedic-agent.log
stat -c '%U %a' /etc/keymedic/agent.toml
grep -c secret /etc/keymedic/agent.toml
cp -r /tmp/var /mnt/seen
echo '# changed by hand' >>/etc/keymedic/agent.toml
apply
cat /var/lib/keymedic-agent.log
"""

SITE = """
class { 'keymedic::agent':
  controller     => 'keymedic.contoso.example:7443',
  token          => Sensitive('km1.secret'),
  package_source => '/mnt/keymedic-agent.deb',
}
"""


def copies_of_the_system():
    """Whether this machine lets us make one."""
    with tempfile.TemporaryDirectory() as folder:
        script = pathlib.Path(folder) / "script"
        script.write_text("true")
        return subprocess.run(["unshare", "--mount", "--pid", "--fork", "sh", "-c", IN_A_COPY, "sh", "/mnt", folder],
                              capture_output=True, check=False).returncode == 0


@unittest.skipUnless(copies_of_the_system(), "needs root, and a kernel that mounts overlays in a namespace")
class AppliedTest(unittest.TestCase):
    def test_the_agents_class_installs_configures_and_starts_once(self):
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            package = folder / "package"
            for file, text, mode in (
                    ("DEBIAN/control", "Package: keymedic-agent\nVersion: 0.1.0\nArchitecture: all\n"
                                       "Maintainer: test <test@example.org>\nDescription: stand-in\n", 0o644),
                    ("DEBIAN/conffiles", "/etc/keymedic/agent.toml\n", 0o644),
                    ("etc/keymedic/agent.toml", "# the package's\n", 0o600),
                    ("etc/init.d/keymedic-agent", INIT_SCRIPT, 0o755)):
                path = package / file
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
                path.chmod(mode)
            run("dpkg-deb", "--build", package, folder / "keymedic-agent.deb")
            shutil.copytree(MODULE, folder / "modules/keymedic")
            (folder / "site.pp").write_text(SITE)
            known = one_fact(folder / "var")
            known[known.index(folder / "var")] = "/tmp/var"
            (folder / "script").write_text(SCRIPT.replace("@FACTS@", " ".join(known)))
            done = run("unshare", "--mount", "--pid", "--fork", "sh", "-c", IN_A_COPY, "sh", "/mnt", folder, code=None)
            log = (folder / "first.log").read_text() if (folder / "first.log").exists() else ""
            self.assertEqual(done.stdout.split("\n"),
                             ["0", "2", "0", "start", "root 600", "1", "2", "start", "stop", "start", ""], log + done.stderr)
            self.assertNotIn("km1.secret", log)
            for path in (folder / "seen").rglob("*"):  # reports, the cached catalog
                if path.is_file() and "bucket" not in str(path):
                    self.assertNotIn(b"km1.secret", path.read_bytes(), path)


if __name__ == "__main__":
    needed("puppet", "puppet-lint", "rspec", "facter")
    unittest.main()
