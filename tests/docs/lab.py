# SPDX-License-Identifier: Apache-2.0
"""A controller and a lab's estate as real processes in a folder of their own, for tests in Python."""

import json
import os
import pathlib
import re
import subprocess
import time

PATIENCE = 120  # seconds until something that must come has come


class Failure(Exception):
    """A test failed; the text says all."""


def eventually(condition, what, details=lambda: ""):
    """What `condition` gives as soon as that is true."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.1)  # between two looks
    raise Failure(f"{what}: not within {PATIENCE} s\n{details()}")


class Processes:
    """Programs that run beside the test, in an environment of its own; they end with it."""

    def __init__(self, programs, folder):
        self.folder = pathlib.Path(folder)
        kept = {name: value for name, value in os.environ.items() if not name.startswith("KEYMEDIC_")}
        self.environment = kept | {"HOME": str(self.folder), "XDG_CONFIG_HOME": str(self.folder / "config"),
                                   "NO_COLOR": "1", "PATH": f"{programs}:{os.environ['PATH']}"}
        self._running = []

    def run(self, *command):
        done = subprocess.run(command, env=self.environment, cwd=self.folder, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, timeout=2 * PATIENCE, check=False)
        if done.returncode != 0:
            raise Failure(f"{' '.join(map(str, command))}: {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    def start(self, *command, until):
        """Returns the match of `until` in what the command writes; it goes on running."""
        log = self.folder / f"{len(self._running)}-{pathlib.Path(command[0]).name}.log"
        with open(log, "wb") as out:
            process = subprocess.Popen(command, env=self.environment, cwd=self.folder, stdin=subprocess.DEVNULL,
                                       stdout=out, stderr=out)
        self._running.append(process)

        def seen():
            text = log.read_text(errors="replace")
            if process.poll() is not None:
                raise Failure(f"{' '.join(map(str, command))}: {process.returncode}\n{text[-2000:]}")
            return re.search(until, text)

        return eventually(seen, f"{command[0]} says /{until}/", lambda: log.read_text(errors="replace"))

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in reversed(self._running):
            process.terminate()
        for process in self._running:
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()


class Lab(Processes):
    """`environment` tells programs where the controller is. Every machine has reported."""

    def __init__(self, programs, folder, estate, speed=1):
        super().__init__(programs, folder)
        try:
            self._start(pathlib.Path(estate).resolve(), speed)
        except BaseException:
            self.__exit__()
            raise

    def _start(self, estate, speed):
        data = self.folder / "controller"
        self.run("keymedic-controller", "init", "--data-dir", data, "--name", "localhost", "--name", "127.0.0.1")
        port = self.start("keymedic-controller", "run", "--data-dir", data, "--listen", "127.0.0.1:0",
                          until=r"port (\d+)\n").group(1)
        self.environment |= {
            "KEYMEDIC_CONTROLLER": f"127.0.0.1:{port}", "KEYMEDIC_CA": str(data / "ca.crt"),
            "KEYMEDIC_CERT": str(data / "admin.crt"), "KEYMEDIC_KEY": str(data / "admin.key")}
        token = self.folder / "token"
        token.write_text(self.run("keymedic", "tokens", "create", "--uses", "1000"))
        agents = self.start("keymedic", "lab", "serve", estate, "--controller", f"127.0.0.1:{port}", "--token-file",
                            token, "--state-dir", self.folder / "agents", "--speed", str(speed),
                            until=r"ready: (\d+) agents").group(1)
        eventually(lambda: json.loads(self.run("keymedic", "estate", "summary", "-o", "json"))["reported"]
                   == int(agents), "every machine has reported")
