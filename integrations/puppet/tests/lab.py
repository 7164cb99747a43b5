# SPDX-License-Identifier: Apache-2.0
"""For tests: a controller with a simulated estate, as real processes in a folder of the test's own."""

import json
import os
import pathlib
import subprocess
import time

PATIENCE = 90  # seconds; nothing asserts how long something took


def eventually(condition, what):
    end = time.monotonic() + PATIENCE
    while not condition():
        if time.monotonic() > end:
            raise AssertionError(f"{what()} after {PATIENCE} s")
        time.sleep(0.05)  # between two looks; never instead of one


class Lab:
    def __init__(self, bin_dir, folder):
        self.bin, self.folder = pathlib.Path(bin_dir), pathlib.Path(folder)
        self.children = []
        self.environment = {**os.environ, "PATH": f"{self.bin}:{os.environ['PATH']}", "NO_COLOR": "1",
                            "XDG_CONFIG_HOME": str(self.folder / "config")}
        self.data = self.folder / "controller"
        self.run("keymedic-controller", "init", "--data-dir", self.data, "--name", "localhost", "--name", "127.0.0.1")
        port_file = self.folder / "port"
        controller = self.start("controller.log", "keymedic-controller", "run", "--data-dir", self.data,
                                "--listen", "127.0.0.1:0", "--port-file", port_file)
        eventually(lambda: port_file.exists() and port_file.read_text().strip() or controller.poll() is not None,
                   lambda: self.log("controller.log"))
        self.address = f"127.0.0.1:{port_file.read_text().strip()}"
        self.add_profile("contoso", self.address)

    def add_profile(self, name, address):
        self.run("keymedic", "profile", "add", name, "--controller", address, "--ca", self.data / "ca.crt",
                 "--cert", self.data / "admin.crt", "--key", self.data / "admin.key")

    def log(self, name):
        return (self.folder / name).read_text()

    def start(self, log, *command):
        with (self.folder / log).open("wb") as file:
            child = subprocess.Popen([str(word) for word in command], env=self.environment, stdin=subprocess.DEVNULL,
                                     stdout=file, stderr=subprocess.STDOUT)
        self.children.append(child)
        return child

    def run(self, *command):
        done = subprocess.run([str(word) for word in command], env=self.environment, stdin=subprocess.DEVNULL,
                              capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
        return done.stdout

    def keymedic(self, *arguments):
        return json.loads(self.run("keymedic", *arguments, "--output", "json"))

    def token(self, uses):
        file = self.folder / "token"
        file.write_text(self.run("keymedic", "tokens", "create", "--uses", str(uses)))
        return file

    def serve(self, estate, machines, codes):
        """The estate lives, and machines (a name with * and ?) have an agent, until they show these findings."""
        lab = self.start("lab.log", "keymedic", "lab", "serve", estate, "--socket", self.folder / "lab.sock", "--controller",
                         self.address, "--token-file", self.token(1000), "--state-dir", self.folder / "agents",
                         "--machines", machines, "--speed", "600")

        def shown():
            assert lab.poll() is None, self.log("lab.log")
            return set(codes) <= self.codes()
        eventually(shown, lambda: f"{self.codes()} {self.log('lab.log')}")

    def codes(self):
        return {finding["code"] for finding in self.keymedic("findings", "list")["findings"]}

    def stop(self):
        for child in reversed(self.children):
            child.terminate()
        for child in reversed(self.children):
            child.wait(PATIENCE)
