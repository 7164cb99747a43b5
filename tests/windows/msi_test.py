#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The installer for Windows, by Wine's msiexec: installs, upgrades, removes, fails.

    tests/windows/msi_test.py --msi build/windows/keymedic-agent-0.1.0.msi \\
        --template build/windows/wine-template [ARGUMENT OF unittest...]

Any service program will do in the package. What a real Windows does and Wine 8 does not, so that
this looks at the database instead: it leaves the values of MsiHiddenProperties, and the data of
actions with a hidden target, out of the log; it looks at the versions of files.
"""

import argparse
import hashlib
import pathlib
import re
import subprocess
import sys
import tempfile
import unittest
import uuid

import prefix

OPTIONS = argparse.Namespace()
TOKEN = "km1.5ecret0f7he7e5t.0123"
SERVICE = r"HKLM\System\CurrentControlSet\Services\KeyMedicAgent"
EVENTS = r"HKLM\System\CurrentControlSet\Services\EventLog\Application\KeyMedic"
UNINSTALL = r"HKLM\Software\Microsoft\Windows\CurrentVersion\Uninstall"
# Nobody listens there, so an agent goes on trying, and leaves the file where it is.
CONTROLLER = "127.0.0.1:1"
# An exit code has eight bits here.
FAILED = 1603 & 0xFF

PROGRAMS = [
    "bin/keymedic-agent.exe", "bin/keymedic-plugin-host.exe", "bin/keymedic-messages.dll",
    "lib/keymedic/plugins/keymedic_kms_client.dll", "lib/keymedic/plugins/keymedic_kms_host.dll",
    "lib/keymedic/plugins/plugins.allow", "LICENSE", "CHANGES.txt",
]


def table(msi, name):
    """The rows of a table of the database, each a dictionary."""
    text = subprocess.run(
        ["msiinfo", "export", str(msi), name], check=True, capture_output=True, text=True
    ).stdout
    lines = text.replace("\r", "").split("\n")
    columns = lines[0].split("\t")
    return [dict(zip(columns, line.split("\t"))) for line in lines[3:] if line]


def properties(msi):
    return {row["Property"]: row["Value"] for row in table(msi, "Property")}


def change(msi, *statements):
    for statement in statements:
        subprocess.run(["msibuild", str(msi), "-q", statement], check=True, capture_output=True)


def copy_of(msi, folder, name):
    target = folder / name
    target.write_bytes(msi.read_bytes())
    # Two packages are never the same one.
    code = "{" + str(uuid.uuid4()).upper() + "}"
    subprocess.run(
        ["msibuild", str(target), "-s", "KeyMedic Agent", "KeyMedic", "x64;1033", code], check=True
    )
    return target


def next_version(msi, folder):
    """The same package, as if it were of a later version."""
    later = copy_of(msi, folder, "later.msi")
    upgrade = properties(msi)["UpgradeCode"]
    change(
        later,
        "UPDATE `Property` SET `Value` = '99.0.0' WHERE `Property` = 'ProductVersion'",
        "UPDATE `Property` SET `Value` = '{" + str(uuid.uuid4()).upper() + "}'"
        " WHERE `Property` = 'ProductCode'",
        "UPDATE `File` SET `Version` = '99.0.0.0' WHERE `Language` = '1033'",
        "DELETE FROM `Upgrade` WHERE `UpgradeCode` = '" + upgrade + "'",
        "INSERT INTO `Upgrade` (`UpgradeCode`, `VersionMax`, `Attributes`, `ActionProperty`)"
        f" VALUES ('{upgrade}', '99.0.0', 1, 'WIX_UPGRADE_DETECTED')",
        "INSERT INTO `Upgrade` (`UpgradeCode`, `VersionMin`, `Attributes`, `ActionProperty`)"
        f" VALUES ('{upgrade}', '99.0.0', 2, 'WIX_DOWNGRADE_DETECTED')",
    )
    return later


def failing(msi, folder):
    """The same package, whose installation fails when all but its registration is done."""
    broken = copy_of(msi, folder, "failing.msi")
    change(
        broken,
        "INSERT INTO `CustomAction` (`Action`, `Type`, `Source`, `Target`)"
        " VALUES ('Fail', 3106, 'TARGETDIR', 'cmd.exe /c exit 1')",
        "INSERT INTO `InstallExecuteSequence` (`Action`, `Sequence`) VALUES ('Fail', 6450)",
    )
    return broken


class Database(unittest.TestCase):
    """What a real Windows Installer does because the database says so."""

    def setUp(self):
        self.properties = properties(OPTIONS.msi)
        self.sequence = {
            row["Action"]: int(row["Sequence"])
            for row in table(OPTIONS.msi, "InstallExecuteSequence")
        }

    def test_the_token_and_what_carries_it_are_hidden(self):
        hidden = self.properties["MsiHiddenProperties"].split(";")
        self.assertLessEqual({"KEYMEDIC_TOKEN", "WriteSettings", "UndoSettings"}, set(hidden))
        kinds = {row["Action"]: int(row["Type"]) for row in table(OPTIONS.msi, "CustomAction")}
        for action in ("WriteSettings", "UndoSettings"):
            self.assertTrue(kinds[action] & 0x2000, f"{action} shows its data in the log")
            self.assertTrue(kinds[action] & 0x0800, f"{action} runs as the user")
        self.assertTrue(kinds["UndoSettings"] & 0x100, "UndoSettings does not run at a failure")

    def test_a_user_with_rights_can_give_all_properties(self):
        secure = self.properties["SecureCustomProperties"].split(";")
        given = {f"KEYMEDIC_{name}" for name in ("CONTROLLER", "TOKEN", "GROUP", "NAME", "PURGE")}
        self.assertLessEqual(given, set(secure))

    def test_what_is_wrong_is_undone(self):
        order = [
            "ReadSettings", "InstallInitialize", "RemoveExistingProducts", "InstallFiles",
            "InstallServices", "UndoSettings", "WriteSettings", "StartServices", "RemoveState",
            "InstallFinalize",
        ]
        self.assertEqual(sorted(order, key=self.sequence.get), order)
        self.assertLess(self.sequence["DeleteServices"], self.sequence["RemoveState"])

    def test_programs_have_versions_and_are_for_64_bits(self):
        version = self.properties["ProductVersion"] + ".0"
        for row in table(OPTIONS.msi, "File"):
            if row["FileName"].endswith((".exe", ".dll")):
                self.assertEqual(row["Version"], version, row["FileName"])
        for row in table(OPTIONS.msi, "Component"):
            self.assertTrue(int(row["Attributes"]) & 256, row["Component"])

    def test_an_upgrade_keeps_the_service(self):
        [condition] = [
            row["Condition"] for row in table(OPTIONS.msi, "InstallExecuteSequence")
            if row["Action"] == "DeleteServices"
        ]
        self.assertIn("NOT UPGRADINGPRODUCTCODE", condition)

    def test_without_its_service_it_is_not_installed(self):
        [service] = table(OPTIONS.msi, "ServiceInstall")
        self.assertTrue(int(service["ErrorControl"]) & 0x8000)

    def test_can_be_repaired(self):
        self.assertNotIn("ARPNOREPAIR", self.properties)
        self.assertEqual(self.properties["ALLUSERS"], "1")


class Installation(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="kmmsi-")
        self.addCleanup(folder.cleanup)
        self.folder = pathlib.Path(folder.name)
        self.windows = prefix.Prefix(prefix.Template(OPTIONS.template))
        self.addCleanup(self.windows.close)
        self.pretend_to_be("win10")
        self.data = self.windows.drive_c("ProgramData/KeyMedic")
        self.programs = self.windows.drive_c("Program Files/KeyMedic")
        self.log = ""

    def pretend_to_be(self, version):
        self.tell("reg", "add", r"HKCU\Software\Wine", "/v", "Version", "/d", version, "/f")

    def tell(self, *command):
        done = self.windows.run(command, timeout=120, capture_output=True)
        return done.stdout.decode(errors="replace")

    def msiexec(self, what, msi, *given):
        log = self.folder / "msi.log"
        log.unlink(missing_ok=True)
        command = ["msiexec", what, self.windows.windows_path(msi), "/qn", *given]
        done = self.windows.run([*command, "/l*v", self.windows.windows_path(log)], timeout=240)
        self.log = log.read_text(encoding="utf-8", errors="replace")
        return done.returncode

    def install(self, *given, msi=None):
        code = self.msiexec("/i", msi or OPTIONS.msi, *given)
        self.assertEqual(code, 0, self.log)

    def install_enrolling(self, *more):
        self.install(f"KEYMEDIC_CONTROLLER={CONTROLLER}", f"KEYMEDIC_TOKEN={TOKEN}", *more)

    def remove(self, *given, msi=None):
        self.assertEqual(self.msiexec("/x", msi or OPTIONS.msi, *given), 0, self.log)

    def registry(self, key):
        """Names and values below a key; empty when it is not there."""
        rows = re.findall(r"^ {4}(\S+) +REG_\w+ +(.*?)\r?$", self.tell("reg", "query", key, "/s"), re.M)
        return dict(rows)

    def assert_runs(self):
        self.assertRegex(self.tell("sc", "query", "KeyMedicAgent"), r"STATE\s*: 4")

    def assert_not_installed(self):
        self.assertEqual(self.registry(SERVICE), {})
        self.assertEqual(self.registry(EVENTS), {})
        self.assertNotIn("KeyMedic", self.tell("reg", "query", UNINSTALL, "/s"))
        self.assertFalse(self.programs.exists())

    def assert_no_token_but_in(self, allowed):
        """In no registry value, and in the log only where Wine forgets that a property is hidden."""
        exported = self.folder / "all.reg"
        self.tell("regedit", "/E", self.windows.windows_path(exported))
        content = exported.read_bytes().decode("utf-16", errors="replace")
        self.assertIn("KeyMedicAgent", content)
        self.assertNotIn(TOKEN, content)
        for line in self.log.splitlines():
            if TOKEN in line:
                self.assertRegex(line, rf"^Property\(S\): ({'|'.join(allowed)}) = ")

    def test_installs_and_starts(self):
        self.install_enrolling("KEYMEDIC_GROUP=Büro", "KEYMEDIC_NAME=pc-017")
        for name in PROGRAMS:
            self.assertTrue((self.programs / name).is_file(), name)
        self.assert_runs()
        service = self.registry(SERVICE)
        self.assertRegex(
            service["ImagePath"], r'^"?C:\\Program Files\\KeyMedic\\bin\\keymedic-agent.exe"? run$'
        )
        self.assertEqual(service["DisplayName"], "KeyMedic Agent")
        self.assertEqual(service["ObjectName"], "LocalSystem")
        self.assertEqual(service["Start"], "0x2")
        self.assertEqual(
            self.registry(EVENTS),
            {"EventMessageFile": r"C:\Program Files\KeyMedic\bin\keymedic-messages.dll",
             "TypesSupported": "0x7"},
        )
        self.assertEqual(
            (self.data / "agent/enroll.toml").read_text(encoding="utf-8").splitlines()[1:],
            [f'controller = "{CONTROLLER}"', f'token = "{TOKEN}"'],
        )
        self.assertEqual((self.data / "agent/enroll.toml").stat().st_mode & 0o007, 0)
        config = (self.data / "agent.toml").read_text(encoding="utf-8")
        self.assertIn('name = "pc-017"\n\n[labels]\ngroup = "Büro"\n', config)
        self.assert_no_token_but_in(
            ["KEYMEDIC_TOKEN", "WriteSettings", "UndoSettings", "CustomActionData"]
        )

    def test_the_list_of_plugins_fits_the_plugins(self):
        self.install()
        folder = self.programs / "lib/keymedic/plugins"
        listed = (folder / "plugins.allow").read_text(encoding="ascii").splitlines()
        self.assertEqual(
            listed,
            [f"{hashlib.sha256(dll.read_bytes()).hexdigest()}  {dll.name}"
             for dll in sorted(folder.glob("*.dll"))],
        )

    def test_without_properties_it_waits_to_be_enrolled(self):
        self.install()
        self.assert_runs()
        self.assertTrue((self.data / "agent").is_dir())
        self.assertFalse((self.data / "agent/enroll.toml").exists())
        self.assertFalse((self.data / "agent.toml").exists())

    def test_a_controller_without_a_port_gets_one(self):
        self.install("KEYMEDIC_CONTROLLER=127.0.0.1", f"KEYMEDIC_TOKEN={TOKEN}")
        enrolment = (self.data / "agent/enroll.toml").read_text(encoding="utf-8")
        self.assertIn('controller = "127.0.0.1:7443"', enrolment)

    def test_an_upgrade_leaves_the_state_alone(self):
        self.install_enrolling()
        (self.data / "agent/kept").write_text("state", encoding="utf-8")
        (self.data / "agent.toml").write_text('name = "mine"\n', encoding="utf-8")
        later = next_version(OPTIONS.msi, self.folder)
        self.install("KEYMEDIC_NAME=another", "KEYMEDIC_PURGE=1", msi=later)
        self.assert_runs()
        self.assertEqual((self.data / "agent/kept").read_text(encoding="utf-8"), "state")
        self.assertEqual((self.data / "agent.toml").read_text(encoding="utf-8"), 'name = "mine"\n')
        self.assertIn("stays as it is", self.log)
        self.assertIn(TOKEN, (self.data / "agent/enroll.toml").read_text(encoding="utf-8"))
        for name in PROGRAMS:
            self.assertTrue((self.programs / name).is_file(), name)
        listed = self.tell("reg", "query", UNINSTALL, "/s")
        self.assertEqual(re.findall(r"DisplayVersion\s+REG_SZ\s+(\S+)", listed), ["99.0.0"])

        self.assertEqual(self.msiexec("/i", OPTIONS.msi), FAILED, "an older version was installed")
        self.assert_runs()

    def test_a_repair_takes_no_settings(self):
        self.install()
        self.assertEqual(
            self.msiexec("/i", OPTIONS.msi, "REINSTALL=ALL", "REINSTALLMODE=vomus",
                         f"KEYMEDIC_CONTROLLER={CONTROLLER}", f"KEYMEDIC_TOKEN={TOKEN}", "KEYMEDIC_NAME=evil"), 0)
        self.assert_runs()
        self.assertFalse((self.data / "agent/enroll.toml").exists())
        self.assertFalse((self.data / "agent.toml").exists())

    def test_a_removal_keeps_the_state(self):
        self.install_enrolling()
        (self.data / "agent/kept").write_text("state", encoding="utf-8")
        self.remove()
        self.assert_not_installed()
        self.assertEqual((self.data / "agent/kept").read_text(encoding="utf-8"), "state")

    def test_a_removal_with_the_state_leaves_nothing(self):
        self.install_enrolling("KEYMEDIC_NAME=pc-017")
        deep = self.data / "agent" / "deep"
        deep.mkdir()
        (deep / "file").write_text("state", encoding="utf-8")
        (deep / "file").chmod(0o444)
        self.remove("KEYMEDIC_PURGE=1")
        self.assert_not_installed()
        self.assertFalse(self.data.exists())

    def test_what_is_wrong_is_said_without_the_token(self):
        secret = TOKEN.removeprefix("km1.")
        for given, said in [
            ([f"KEYMEDIC_CONTROLLER={CONTROLLER}"], "KEYMEDIC_CONTROLLER is given without"),
            ([f"KEYMEDIC_TOKEN={TOKEN}"], "KEYMEDIC_TOKEN is given without"),
            ([f"KEYMEDIC_CONTROLLER={CONTROLLER}", f"KEYMEDIC_TOKEN={secret}"], "no join token"),
            (["KEYMEDIC_CONTROLLER=https://x", f"KEYMEDIC_TOKEN={TOKEN}"], "write HOST or HOST:PORT"),
        ]:
            with self.subTest(said):
                self.assertEqual(self.msiexec("/i", OPTIONS.msi, *given), FAILED, self.log)
                telling = [line for line in self.log.splitlines() if "KeyMedic: KEYMEDIC_" in line]
                self.assertTrue(any(said in line for line in telling), self.log)
                self.assertFalse(any(secret in line for line in telling), telling)
                self.assert_not_installed()
                self.assertFalse(self.data.exists())

    def test_a_failed_installation_leaves_neither_service_nor_token(self):
        broken = failing(OPTIONS.msi, self.folder)
        given = [f"KEYMEDIC_CONTROLLER={CONTROLLER}", f"KEYMEDIC_TOKEN={TOKEN}", "KEYMEDIC_NAME=x"]
        # Wine passes on another code than a real Windows' 1603.
        self.assertNotEqual(self.msiexec("/i", broken, *given), 0, self.log)
        self.assertRegex(self.log, r"Action ended [\d:]+: WriteSettings. Return value 1")
        self.assert_not_installed()
        self.assertFalse((self.data / "agent/enroll.toml").exists())
        self.assertFalse((self.data / "agent.toml").exists())

    def test_a_windows_too_old_is_refused(self):
        self.pretend_to_be("win7")
        self.assertEqual(self.msiexec("/i", OPTIONS.msi), FAILED)
        self.assert_not_installed()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--msi", required=True, type=lambda path: pathlib.Path(path).resolve())
    parser.add_argument("--template", required=True, help="Wine prefix to copy, made if missing")
    arguments = parser.parse_known_args(namespace=OPTIONS)[1]
    unittest.main(argv=[sys.argv[0], *arguments])


if __name__ == "__main__":
    main()
