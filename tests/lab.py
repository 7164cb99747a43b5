# SPDX-License-Identifier: Apache-2.0
"""A controller and a lab's machines as real processes in a folder of their own, for every test in Python.

    with lab.Lab("build/release/bin", folder) as estate:
        estate.start_controller()
        estate.serve("tests/estates/small.textproto")
        estate.json("findings", "list")
"""

import contextlib
import functools
import json
import os
import pathlib
import re
import subprocess
import time

PATIENCE = 120  # seconds until something that must come has come


class Failure(Exception):
    """A test cannot go on; the text says all."""


def eventually(condition, what, details=lambda: ""):
    """What `condition` gives as soon as that is true."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.1)  # between two looks
    raise Failure(f"{what}: not within {PATIENCE} s\n{details()}")


class Processes(contextlib.ExitStack):
    """Programs that run beside the test, in an environment of its own. They end with it, the last one first, each when
    the one before has ended; one that does not end, ends badly or ended by itself is a failure."""

    def __init__(self, programs, folder):
        super().__init__()
        self.folder = pathlib.Path(folder)
        kept = {name: value for name, value in os.environ.items() if not name.startswith("KEYMEDIC_")}
        self.environment = kept | {"HOME": str(self.folder), "XDG_CONFIG_HOME": str(self.folder / "config"), "NO_COLOR": "1",
                                   "PATH": f"{pathlib.Path(programs).resolve()}:{os.environ['PATH']}"}
        self._running = []

    def run(self, *command):
        """What it prints."""
        done = subprocess.run([str(word) for word in command], env=self.environment, cwd=self.folder,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=2 * PATIENCE, check=False)
        if done.returncode != 0:
            raise Failure(f"{' '.join(map(str, command))}: {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    def start(self, *command, until):
        """Returns the match of `until` in what the command writes; it goes on running."""
        log = self.folder / f"{len(self._running)}-{pathlib.Path(command[0]).name}.log"
        with open(log, "wb") as out:
            process = subprocess.Popen([str(word) for word in command], env=self.environment, cwd=self.folder,
                                       stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        self._running.append((process, log))
        self.push(functools.partial(self._end, process, log))
        return self.eventually(lambda: re.search(until, log.read_text(errors="replace")), f"{command[0]} says /{until}/")

    def eventually(self, condition, what):
        """The same, as long as all programs run."""
        def looked():
            for process, log in self._running:
                if process.poll() is not None:
                    raise Failure(how_it_ended(process, log))
            return condition()
        return eventually(looked, what, self.logs)

    def logs(self):
        return "\n".join(f"-- {log.name}\n{log.read_text(errors='replace')}" for _, log in self._running)

    def _end(self, process, log, already, *_):
        by_itself = process.poll() is not None
        process.terminate()
        try:
            process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if (by_itself or process.returncode != 0) and already is None:  # the first failure says most
            raise Failure(how_it_ended(process, log))


def how_it_ended(process, log):
    return f"{' '.join(process.args)}: has ended with {process.returncode}\n{log.read_text(errors='replace')[-4000:]}"


class Lab(Processes):
    """`address` and `connection` say where the controller is and what an administrator shows it."""

    def start_controller(self, settings="", profile=None):
        """With these lines in its controller.toml. The programs know it by their environment, or by a profile."""
        data = self.folder / "controller"
        self.run("keymedic-controller", "init", "--data-dir", data, "--name", "localhost", "--name", "127.0.0.1")
        if settings:
            (data / "controller.toml").write_text(settings)
        port = self.start("keymedic-controller", "run", "--data-dir", data, "--listen", "127.0.0.1:0",
                          until=r"port (\d+)\n").group(1)
        self.know_controller(f"127.0.0.1:{port}", data)
        if profile:
            self.add_profile(profile)
        else:
            self.environment |= self.credentials

    def know_controller(self, address, data):
        self.address = address
        self.connection = {"controller": address, "ca": str(data / "ca.crt"), "cert": str(data / "admin.crt"),
                           "key": str(data / "admin.key")}
        self.credentials = {f"KEYMEDIC_{name.upper()}": value for name, value in self.connection.items()}

    def add_profile(self, name, **other):
        """For the command; `other` is what is not as this controller has it."""
        self.run("keymedic", "profile", "add", name, *(
            word for option, value in {**self.connection, **other}.items() for word in (f"--{option}", value)))

    def keymedic(self, *arguments):
        return self.run("keymedic", *arguments)

    def json(self, *arguments):
        return json.loads(self.keymedic(*arguments, "--output", "json"))

    def codes(self):
        """Of what is found now."""
        return {finding["code"] for finding in self.json("findings", "list").get("findings", [])}

    def token(self, uses=1):
        """A file with a token to join with."""
        file = self.folder / "lab-token"
        file.write_text(self.keymedic("tokens", "create", "--uses", str(uses)))
        return file

    def serve(self, estate, *options):
        """The lab of an estate file lives, and those of its machines that have an agent have told their state."""
        agents = self.start("keymedic", "lab", "serve", pathlib.Path(estate).resolve(), "--controller", self.address,
                            "--token-file", self.token(uses=10000), "--state-dir", self.folder / "lab", *options,
                            until=r"ready: (\d+) agents").group(1)
        self.eventually(lambda: self.json("estate", "summary")["reported"] == int(agents), "every machine has reported")
