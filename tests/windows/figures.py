#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the Windows agent costs, under Wine: one JSON line each. `./dev windows` prints them.

    {"figure": "collection", "value": 210, "unit": "ms", "limit": 300}

Private bytes are what Windows calls PrivateUsage, which Wine takes from Linux' RssAnon. Wine 8 fills
the first 960 KiB of each new thread's stack with zeros (signal_start_thread in its ntdll), which
Windows does not: `wine_stacks` is that, and `private_bytes` stands beside it with and without.
"""

import argparse
import json
import pathlib
import re
import statistics
import sys
import tempfile
import time

import estate
from estate import SERVICE, eventually

LOOKS = 8
WINE_ZEROES_BYTES = 0xF0000


def say(figure, value, unit, limit=None, **more):
    line = {"figure": figure, "value": value, "unit": unit}
    if limit is not None:
        line["limit"] = limit
    print(json.dumps(line | more), flush=True)


def until(machine, state):
    """Seconds until the service is in that state."""
    began = time.monotonic()
    eventually(lambda: machine.service_state() == state, f"the service is {state}", machine.log)
    return round(time.monotonic() - began, 2)


def service_times(machine):
    machine.tell("sc", "stop", SERVICE)
    stopped = until(machine, "STOPPED")
    machine.prefix.set_fault("hang")
    began = time.monotonic()
    machine.tell("sc", "start", SERVICE)
    until(machine, "RUNNING")
    say("until_running", round(time.monotonic() - began, 2), "s", 2, machine="WMI hangs")
    eventually(lambda: machine.processes("keymedic-plugin-host.exe"), "the plugin host runs", machine.log)
    say("until_stopped", stopped, "s", 10, machine="idle")
    machine.tell("sc", "stop", SERVICE)
    say("until_stopped", until(machine, "STOPPED"), "s", 10, machine="WMI hangs")


def collections(machine):
    took = eventually(
        lambda: (found := re.findall(r"looked at this machine in (\d+) ms", machine.log()))[LOOKS:] and found,
        "looks at the machine", machine.log)
    took = [int(ms) for ms in took]
    say("collection", statistics.median(took[1:]), "ms", 300, machine=machine.name, first=took[0],
        worst=max(took[1:]), looks=len(took))


def private_bytes(machine):
    total = stacks = 0
    for program in ("keymedic-agent.exe", "keymedic-plugin-host.exe"):
        for process in machine.processes(program):
            status = pathlib.Path(f"/proc/{process}/status").read_text()
            number = {name: int(value) for name, value in re.findall(r"^(\w+):\s+(\d+)", status, re.M)}
            private, wine = number["RssAnon"] << 10, number["Threads"] * WINE_ZEROES_BYTES
            total, stacks = total + private, stacks + wine
            say("private_bytes", private - wine, "bytes", program=program, with_wine_stacks=private,
                wine_stacks=wine, threads=number["Threads"])
    say("private_bytes", total - stacks, "bytes", 12_000_000, program="both", with_wine_stacks=total, wine_stacks=stacks)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    for name in ("native", "windows", "msi", "estate"):
        parser.add_argument(f"--{name}", required=True, type=lambda path: pathlib.Path(path).resolve())
    options = parser.parse_args()
    say("package", options.msi.stat().st_size, "bytes", 12_000_000)
    with tempfile.TemporaryDirectory(prefix="kmfig-") as folder:
        with estate.World(options, folder, ["kms-1", "pc-001"], look_every="1s") as world:
            for machine in world.windows.values():
                collections(machine)
            service_times(world.windows["pc-001"])
    with tempfile.TemporaryDirectory(prefix="kmfig-") as folder:
        with estate.World(options, folder, ["pc-001"], look_every="15m") as world:
            machine = world.windows["pc-001"]
            eventually(lambda: "AGENT_LOOKED" in machine.log(), "the first look is over", machine.log)
            private_bytes(machine)


if __name__ == "__main__":
    sys.exit(main())
