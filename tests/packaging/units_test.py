#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The services may do little, which systemd measures (0 to 10, less is better), and tell systemd how they are."""
import configparser
import pathlib
import shutil
import subprocess
import unittest

UNITS = pathlib.Path(__file__).parents[2] / "packaging/systemd"
# The controller's is promised, the agent's what it has, with a little room for other versions of systemd.
EXPOSURE = {"keymedic-controller.service": 2.5, "keymedic-agent.service": 3.0}


class UnitsTest(unittest.TestCase):
    @unittest.skipUnless(shutil.which("systemd-analyze"), "there is no systemd-analyze")
    def test_exposure(self):
        for unit, most in EXPOSURE.items():
            with self.subTest(unit):
                answer = subprocess.run(
                    ["systemd-analyze", "security", "--offline=yes", "--no-pager", f"--threshold={round(most * 10)}",
                     UNITS / unit], capture_output=True, text=True)
                overall = [line for line in answer.stdout.splitlines() if "Overall exposure level" in line]
                self.assertEqual(len(overall), 1, answer.stderr)
                print(overall[0])
                self.assertEqual(answer.returncode, 0, f"more than {most}:\n{answer.stdout}")

    def test_systemd_is_told(self):
        for unit in EXPOSURE:
            with self.subTest(unit):
                # A key may stand more than once: the last counts for us.
                parser = configparser.RawConfigParser(strict=False, delimiters=("=",))
                parser.optionxform = str
                parser.read(UNITS / unit)
                service = parser["Service"]
                self.assertEqual((service["Type"], service["NotifyAccess"]), ("notify", "main"))
                self.assertGreater(int(service["WatchdogSec"]), 0)


if __name__ == "__main__":
    unittest.main()
