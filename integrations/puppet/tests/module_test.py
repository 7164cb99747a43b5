#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The module by itself: its form, its catalogs, its package. Run by ctest."""

import json
import os
import pathlib
import re
import shutil
import sys
import tarfile
import tempfile
import unittest

from places import MODULE, PUPPET, SOURCE, TARBALL, needed, one_fact, run

sys.path[:0] = [str(SOURCE / "tests"), str(SOURCE / "tests/docs")]
import overlay  # noqa: E402
import pages  # noqa: E402


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
        examples = []  # of the documentation
        for block in (block for page in (PUPPET / "README.md", *SOURCE.glob("docs/*.md")) for block in pages.blocks(page)):
            if block.language == "puppet":
                examples.append(self.folder / f"{block}.pp")  # so that a complaint names page and line
                examples[-1].write_text(block.text)
        self.assertGreater(len(examples), 3)
        run("puppet", "parser", "validate", types, *examples, *manifests(), *self.own)
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
        readme = (self.folder / "keymedic/README.md").read_text()
        for link in re.findall(r"\]\(([^)]*)\)", readme):
            self.assertTrue((self.folder / "keymedic" / link).exists(), f"{link}: a link of README.md to what is not in the package")
        self.assertNotIn("build-module", readme)
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

# Everything that Puppet keeps is in /puppet/var.
SCRIPT = """
apply() {
  code=0
  puppet apply --confdir /puppet/conf @FACTS@ --modulepath /puppet/modules --detailed-exitcodes "$@" /puppet/site.pp \\
    >/puppet/last.log 2>&1 || code=$?
  cat /puppet/last.log >>/puppet/var/all.log
  echo "$code"
}
apply --noop
test ! -e /etc/keymedic/agent.toml
apply
apply
cat /var/lib/keymedic-agent.log
stat -c '%U %a' /etc/keymedic/agent.toml
grep -c secret /etc/keymedic/agent.toml
echo '# changed by hand' >>/etc/keymedic/agent.toml
apply
cat /var/lib/keymedic-agent.log
"""

SITE = """
File { backup => 'main' }
filebucket { 'main': path => '/puppet/var/bucket' }
class { 'keymedic::agent':
  controller     => 'keymedic.contoso.example:7443',
  token          => Sensitive('km1.secret'),
  package_source => '/trees/keymedic-agent.deb',
}
"""


@unittest.skipUnless(os.geteuid() == 0, "needs root, to install a package under an overlay")
class AppliedTest(unittest.TestCase):
    def setUp(self):
        self.system = overlay.of_test(self)
        self.puppet = self.system.root / "puppet"
        self.puppet.mkdir()

    def test_the_agents_class_installs_configures_and_starts_once(self):
        self.system.build_package("keymedic-agent", [("etc/keymedic/agent.toml", "# the package's\n", 0o600),
                                                     ("etc/init.d/keymedic-agent", INIT_SCRIPT, 0o755)])
        shutil.copytree(MODULE, self.puppet / "modules/keymedic")
        (self.puppet / "site.pp").write_text(SITE)
        known = one_fact(self.puppet / "var", seen_as="/puppet/var")
        # Processes of its own: where this machine has systemd as its first, Puppet would ask that for the service.
        said = self.system.run("unshare", "--pid", "--fork", "--mount-proc", "sh", "-ec", SCRIPT.replace("@FACTS@", " ".join(known)))
        log = (self.puppet / "var/all.log").read_text()
        self.assertEqual(said.split(), ["0", "2", "0", "start", "root", "600", "1", "2", "start", "stop", "start"], log)
        for path in (self.puppet / "var").rglob("*"):  # what was said, reports, the cached catalog, copies of files
            if path.is_file():
                self.assertNotIn(b"km1.secret", path.read_bytes(), path)


if __name__ == "__main__":
    needed("puppet", "puppet-lint", "rspec", "facter")
    unittest.main()
