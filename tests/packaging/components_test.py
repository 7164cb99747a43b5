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
    "cli": {"bin/keymedic", "share/doc/keymedic/README.md", "share/doc/keymedic/LICENSE"} | docs("keymedic", 1),
}
MESSAGES = {"agent": "lib/keymedic", "controller": "lib/keymedic-controller", "cli": "lib/keymedic-cli",
            "sdk": "lib/keymedic-plugin-sdk"}
PLUGINS = ("echo.cc", "echo_c.c")  # one in C++, one in C


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

    def test_a_plugin_made_with_the_sdk_alone_is_loaded_by_the_agent(self):
        project = self.root / "project"
        project.mkdir()
        lines = ["cmake_minimum_required(VERSION 3.25)", "project(third_party LANGUAGES C CXX)",
                 "find_package(KeyMedicPluginSdk 0.1 REQUIRED)"]
        for plugin in PLUGINS:
            (project / plugin).write_text((SOURCE / "tests/fixtures/plugins" / plugin).read_text())
            lines.append(f"keymedic_add_plugin({plugin.split('.')[0]} SOURCES {plugin})")
        (project / "CMakeLists.txt").write_text("\n".join(lines) + "\n")
        run("cmake", "-S", project, "-B", project / "out", "-G", "Ninja", f"-DCMAKE_PREFIX_PATH={self.root / 'sdk/usr'}")
        run("cmake", "--build", project / "out")
        plugins = project / "plugins"
        plugins.mkdir(mode=0o755)
        for plugin in PLUGINS:
            (project / "out" / f"keymedic_{plugin.split('.')[0]}.so").rename(
                plugins / f"keymedic_{plugin.split('.')[0]}.so")
        seen = subprocess.run([self.root / "agent/usr/bin/keymedic-agent", "diagnose", "--bundle", "--plugin-dir", plugins],
                              capture_output=True, timeout=60)
        self.assertEqual(seen.returncode, 0, seen.stderr)
        for section in (b"keymedic.v1.PluginConfig", b"echo_c"):
            self.assertIn(section, seen.stdout)


if __name__ == "__main__":
    unittest.main()
