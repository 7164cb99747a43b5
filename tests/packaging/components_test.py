#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""components_test.py BUILD: each install component holds its package's files and no others, and works from there."""
import pathlib
import subprocess
import sys
import tempfile
import unittest

BUILD = pathlib.Path(sys.argv.pop(1)).resolve()
SOURCE = pathlib.Path(__file__).resolve().parents[2]


def docs(program, section):
    return {f"share/bash-completion/completions/{program}", f"share/zsh/vendor-completions/_{program}",
            f"share/fish/vendor_completions.d/{program}.fish", f"share/man/man{section}/{program}.{section}"}


# Without the shared messages, which each has at a place of its own.
FILES = {
    "agent": {"bin/keymedic-agent", "bin/keymedic-plugin-host", "lib/keymedic/plugins/keymedic_kms_client.so",
              "lib/keymedic/plugins/keymedic_kms_host.so", "lib/systemd/system/keymedic-agent.service"}
    | docs("keymedic-agent", 8),
    "controller": {"bin/keymedic-controller", "lib/systemd/system/keymedic-controller.service"}
    | docs("keymedic-controller", 8),
    "cli": {"bin/keymedic", "share/doc/keymedic/README.md", "share/doc/keymedic/LICENSE"} | docs("keymedic", 1)
    | {f"share/doc/keymedic/docs/{page.name}" for page in (SOURCE / "docs").iterdir() if page.is_file()},
}
MESSAGES = {"agent": "lib/keymedic", "controller": "lib/keymedic-controller", "cli": "lib/keymedic-cli",
            "sdk": "lib/keymedic-plugin-sdk"}


def run(*command, **more):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=300, **more)
    assert done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout}\n{done.stderr}"
    return done.stdout


class ComponentsTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        cls.root = pathlib.Path(cls.folder.name)
        for component in MESSAGES:
            run("cmake", "--install", BUILD, "--component", component, "--prefix", "/usr",
                env={"DESTDIR": str(cls.root / component), "PATH": "/usr/bin:/bin"})

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    def files(self, component):
        usr = self.root / component / "usr"
        return {str(path.relative_to(usr)) for path in usr.rglob("*") if not path.is_dir()}

    def test_each_holds_its_own(self):
        for component, expected in FILES.items():
            with self.subTest(component):
                found = self.files(component)
                messages = {file for file in found if file.startswith(MESSAGES[component] + "/libkeymedic_proto.so.0")}
                self.assertTrue(messages)
                self.assertEqual(found - messages, expected)
        for file in self.files("sdk"):
            self.assertRegex(file, r"^(include/keymedic/|lib/keymedic-plugin-sdk/|lib/cmake/KeyMedicPluginSdk/|"
                                   r"share/keymedic-plugin-sdk/proto/|share/doc/keymedic-plugin-sdk/)")

    def test_no_file_is_in_two(self):
        seen = {}
        for component in MESSAGES:
            for file in self.files(component):
                self.assertNotIn(file, seen)
                seen[file] = component

    def test_programs_find_their_parts(self):
        for component, program in (("agent", "keymedic-agent"), ("agent", "keymedic-plugin-host"),
                                   ("controller", "keymedic-controller"), ("cli", "keymedic")):
            with self.subTest(program):
                place = self.root / component / "usr"
                linked = run("ldd", place / "bin" / program)
                self.assertIn(f"/usr/bin/../{MESSAGES[component]}/libkeymedic_proto.so.0 ", linked)
                self.assertTrue(run(place / "bin" / program, "--help"))


if __name__ == "__main__":
    unittest.main()
