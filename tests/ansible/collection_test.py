#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The collection as a package: what Ansible's own checkers and ansible-doc say of it, and its unit tests."""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import unittest

sys.dont_write_bytecode = True  # nothing of a test stays in the source tree
import stage as stages  # noqa: E402

MODULES = {f"keymedic.fleet.keymedic_{name}" for name in ("finding_info", "machine_info", "policy", "remediation", "token")}
ROLES = {"keymedic.fleet.agent", "keymedic.fleet.controller", "keymedic.fleet.package"}
# Tests of `ansible-test sanity` that fetch their tools from PyPI. What Debian has the tools for is run below as
# ansible-test would.
FETCHES = {"ansible-doc", "changelog", "import", "pep8", "pylint", "runtime-metadata", "validate-modules", "yamllint"}
CHECKERS = pathlib.Path("/usr/lib/python3/dist-packages/ansible_test/_util/controller/sanity")
GENERATED = "_pb2"


class CollectionTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="keymedic-ansible-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.ansible = stages.Ansible(OPTIONS.collections, self.folder)
        self.collection = self.ansible.collections / stages.COLLECTION

    def sources(self, below):
        return sorted(path.relative_to(self.collection) for path in (self.collection / below).rglob("*.py")
                      if GENERATED not in path.name)

    def installed(self):
        """Ansible with the collection as users have it, from the archive."""
        archive = self.ansible.collections / f"keymedic-fleet-{OPTIONS.version}.tar.gz"
        self.ansible.run("ansible-galaxy", "collection", "install", "--offline", archive, "-p", self.folder / "installed")
        return stages.Ansible(self.folder / "installed", self.folder)

    def test_archive_installs_and_is_documented(self):
        installed = self.installed()

        def documented(kind):
            told = installed.run("ansible-doc", "--type", kind, "--json", *(
                sorted(MODULES) if kind == "module" else ["keymedic.fleet.keymedic"] if kind == "inventory" else sorted(ROLES)))
            return json.loads(told.stdout[told.stdout.index("{"):])

        self.assertEqual(set(documented("role")), ROLES)
        self.assertTrue(documented("inventory")["keymedic.fleet.keymedic"]["examples"])
        modules = documented("module")
        self.assertEqual(set(modules), MODULES)
        for name, module in modules.items():
            for part in ("doc", "examples", "return"):
                self.assertTrue(module[part], f"{name}: {part}")
            self.assertEqual(set(module["doc"]["attributes"]), {"check_mode", "diff_mode", "idempotent", "platform"}, name)
            self.assertIn(name, module["examples"])
            self.assertIn("controller", module["doc"]["options"])

    def test_lint(self):
        self.ansible.run("ansible-lint", "--nocolor", "--offline", "--profile", "production", cwd=self.collection,
                         env={**self.ansible.environment, "ANSIBLE_COLLECTIONS_PATHS": str(self.ansible.collections)})

    def test_sanity(self):
        # Not where it is built: in a git repository ansible-test sees only what git has.
        installed = self.installed()
        where = installed.collections / stages.COLLECTION
        listed = set(installed.run("ansible-test", "sanity", "--list-tests", cwd=where).stdout.split("\n"))
        names = {name for name in listed if name and " " not in name}
        self.assertLess(FETCHES, names, "the list above is of what ansible-test has")
        chosen = [part for name in sorted(names - FETCHES) for part in ("--test", name)]
        told = installed.run("ansible-test", "sanity", "--python", "3.11", *chosen, cwd=where).stdout
        self.assertNotIn("skipped", told)

    def test_sanity_of_modules(self):
        """validate-modules with Debian's voluptuous. The licence is the one thing that is another."""
        for kind in ("modules", "inventory"):
            done = self.checker("validate-modules/validate.py", "--arg-spec", "--format", "json", "--collection",
                                stages.COLLECTION, "--collection-version", OPTIONS.version, "--plugin-type", kind.removesuffix("s"), *self.sources(f"plugins/{kind}"))
            errors = [f"{path}: {error['code']} {error['msg']}" for path, told in json.loads(done).items()
                      for error in told["errors"] if error["code"] != "missing-gplv3-license"]
            self.assertEqual(errors, [])

    def checker(self, program, *arguments):
        done = subprocess.run(["/usr/bin/python3", "-B", CHECKERS / program, *arguments], cwd=self.collection, check=False,
                              env={**self.ansible.environment, "PYTHONPATH": str(CHECKERS / "validate-modules")},
                              stdin=subprocess.DEVNULL, capture_output=True, text=True)
        self.assertEqual(done.stderr, "", f"{program}\n{done.stdout}")
        return done.stdout

    def test_sanity_of_metadata_and_style(self):
        self.assertEqual(self.checker("code-smell/runtime-metadata.py", "meta/runtime.yml"), "")
        ignored = ",".join((CHECKERS / "pep8/current-ignore.txt").read_text().split())
        done = subprocess.run(["/usr/bin/python3", "-m", "pycodestyle", "--max-line-length", "160", "--ignore", ignored,
                               *self.sources(".")], cwd=self.collection, check=False, capture_output=True, text=True)
        self.assertEqual(done.stdout + done.stderr, "")

    def test_units(self):
        tests = self.sources("tests/unit")
        self.assertEqual(len(tests), 3)
        for test in tests:
            done = subprocess.run(["/usr/bin/python3", "-B", test], cwd=self.collection, check=False, text=True,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                                  env={**self.ansible.environment, "PYTHONPATH": str(self.ansible.collections)})
            self.assertEqual(done.returncode, 0, done.stdout)
            self.assertNotIn("Ran 0 tests", done.stdout)


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--collections", required=True, help="folder in which the collection is built")
    parser.add_argument("--version", required=True)
    OPTIONS, rest = parser.parse_known_args()
    OPTIONS.collections = os.path.abspath(OPTIONS.collections)
    unittest.main(argv=[sys.argv[0], *rest], verbosity=2)
