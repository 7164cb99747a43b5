#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A throw-away Windows for tests: a Wine prefix that looks like one machine of a lab.

    tests/windows/prefix.py --native build/release/bin --windows build/windows \\
        --estate tests/estates/small.textproto --machine pc-001 -- build/windows/tests/x_test.exe

starts the lab (a native `keymedic lab serve` on a loopback port), copies a prefix that was made
once, puts the doubles (tests/windows/doubles) in their places there, runs the program with its
arguments, ends what it started by its process id, removes the prefix, and ends with the program's
exit code.

As a module, for tests that run more than one program:

    template = prefix.Template("build/windows/wine-template")
    with prefix.Lab("build/release/bin/keymedic", estate, speed=600) as lab:
        with prefix.Prefix(template) as windows:
            windows.become("build/windows/tests/doubles", lab.address, "pc-001")
            windows.run(["some.exe", "argument"])

Nothing is shared between two prefixes but the template.
"""

import argparse
import contextlib
import fcntl
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from lab import Failure  # noqa: E402

# Debian's `wine` warns at each start that there is no 32-bit one.
WINE = next((p for p in ("/usr/lib/wine/wine64",) if os.access(p, os.X_OK)), "wine")
WINESERVER = next(
    (p for p in ("/usr/lib/wine/wineserver64",) if os.access(p, os.X_OK)), "wineserver"
)


class Template:
    """A prefix as `wineboot` makes it, made at first use and copied from then on."""

    def __init__(self, path):
        self.path = pathlib.Path(path).absolute()

    def copy_to(self, target):
        self._make()
        # With its time stamps, by which Wine sees that there is nothing to bring up to date.
        for entry in self.path.iterdir():
            if entry.name != "windows":
                subprocess.run(["cp", "-a", str(entry), str(target)], check=True)
        # The hundreds of megabytes of Wine's own programs are shared: nothing writes into one of
        # them. What replaces one has to remove it first.
        shared = pathlib.Path("drive_c") / "windows"
        subprocess.run(["cp", "-al", str(self.path / "windows"), str(target / shared)], check=True)

    def _make(self):
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with open(f"{self.path}.lock", "w", encoding="utf-8") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if self.path.is_dir():
                return
            making = pathlib.Path(f"{self.path}.making")
            shutil.rmtree(making, ignore_errors=True)
            making.mkdir()
            environment = wine_environment(making)
            made = subprocess.run(
                [WINE, "wineboot", "--init"],
                env=environment, timeout=300, check=False,
                stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )
            subprocess.run([WINESERVER, "-w"], env=environment, check=False, timeout=120)
            if made.returncode != 0 or not (making / "system.reg").exists():
                raise Failure(f"wineboot made no prefix in {making}: exit code {made.returncode}")
            (making / "drive_c" / "windows").rename(making / "windows")
            making.rename(self.path)


def wine_environment(prefix, more=None):
    environment = dict(os.environ, WINEPREFIX=str(prefix))
    environment.setdefault("WINEDEBUG", "-all")
    # Neither .NET nor a browser is asked for; services get the doubles by the registry.
    environment["WINEDLLOVERRIDES"] = "mscoree=;mshtml="
    environment.pop("DISPLAY", None)
    environment.update(more or {})
    return environment


class Lab:
    """A native lab on a loopback port. `address` is "127.0.0.1:41231"."""

    def __init__(self, keymedic, estate, speed=1):
        self._process = subprocess.Popen(
            [str(keymedic), "lab", "serve", str(estate), "--only-socket", "--listen", "127.0.0.1:0",
             "--speed", str(speed)],
            stdout=subprocess.PIPE,
            text=True,
        )
        # A lab that never gets ready must not hold the test up for ever.
        watch = threading.Timer(120, self._process.kill)
        watch.start()
        self.address = ""
        for line in self._process.stdout:
            if line.startswith("listening: "):
                self.address = line.split(": ", 1)[1].strip()
            if line.startswith("ready"):
                break
        watch.cancel()
        if not self.address:
            self.close()
            raise Failure(f"{keymedic} lab serve {estate} did not get ready: its words stand above")

    def close(self):
        end(self._process)
        self._process.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


class Prefix:
    """One Windows. Its wineserver lives as long as it does, so that what is set is not set back."""

    def __init__(self, template, parent=None):
        self.path = pathlib.Path(tempfile.mkdtemp(prefix="kmwine-", dir=parent))
        self._started = []
        template.copy_to(self.path)
        subprocess.run([WINESERVER, "-p"], env=self.environment(), check=True)
        # The first program brings Wine's services up. They keep what they inherit: no pipe of ours.
        self.run(
            ["cmd", "/c", "exit"],
            stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )

    def environment(self, more=None):
        return wine_environment(self.path, more)

    def run(self, command, timeout=300, more=None, **options):
        """Runs a Windows program to its end. `command`: the .exe by its path here, arguments."""
        command = [WINE, *map(str, command)]
        environment = self.environment(more)
        return subprocess.run(command, env=environment, timeout=timeout, check=False, **options)

    def start(self, command, more=None, **options):
        """Starts one that goes on; it ends with the prefix at the latest."""
        command = [WINE, *map(str, command)]
        process = subprocess.Popen(command, env=self.environment(more), **options)
        self._started.append(process)
        return process

    def become(self, doubles, lab_address, machine):
        """Makes the prefix look like that machine: registry, names, doubles, the service sppsvc."""
        done = self.run(
            [pathlib.Path(doubles).absolute() / "double_setup.exe", lab_address, machine],
            timeout=120, capture_output=True,
        )
        if done.returncode != 0:
            said = done.stderr.decode(errors="replace")
            raise Failure(f"the prefix cannot become {machine}: {said}")

    def set_fault(self, fault):
        """One of the faults of doubles/README.md; "" for none."""
        self.run(
            ["reg", "add", r"HKLM\Software\KeyMedicDouble", "/v", "Fault", "/d", fault, "/f"],
            timeout=60, stdout=subprocess.DEVNULL,
        )

    def windows_path(self, path):
        """As programs in the prefix see a file of ours."""
        return "Z:" + str(pathlib.Path(path).absolute()).replace("/", "\\")

    def drive_c(self, path=""):
        """Where a file of the prefix lies."""
        return self.path / "drive_c" / path

    def close(self):
        for process in self._started:
            end(process)
        # Knows its own prefix only, and ends all that still runs there.
        subprocess.run([WINESERVER, "-k"], env=self.environment(), check=False)
        with contextlib.suppress(subprocess.TimeoutExpired):
            subprocess.run([WINESERVER, "-w"], env=self.environment(), check=False, timeout=60)
        shutil.rmtree(self.path, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def end(process):
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            process.kill()
    process.wait()


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--native", required=True, help="folder of the native programs: keymedic")
    parser.add_argument("--windows", required=True, help="folder of the Windows build")
    parser.add_argument("--estate", required=True, help="estate file of the lab")
    parser.add_argument("--machine", required=True, help="which of its machines the prefix is")
    parser.add_argument("--template", help="prefix to copy (default: wine-template in --windows)")
    parser.add_argument("--speed", type=float, default=1, help="of the lab")
    parser.add_argument("--timeout", type=float, default=300, help="seconds for the program")
    parser.add_argument("command", nargs="+", help="program and arguments, after --")
    options = parser.parse_args()

    template = Template(options.template or pathlib.Path(options.windows) / "wine-template")
    doubles = pathlib.Path(options.windows) / "tests" / "doubles"
    with Lab(pathlib.Path(options.native) / "keymedic", options.estate, options.speed) as lab:
        with Prefix(template) as prefix:
            prefix.become(doubles, lab.address, options.machine)
            return prefix.run(options.command, timeout=options.timeout).returncode


if __name__ == "__main__":
    try:
        sys.exit(main())
    except (Failure, subprocess.SubprocessError, OSError) as failure:
        sys.exit(f"prefix.py: {failure}")
