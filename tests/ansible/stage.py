# SPDX-License-Identifier: Apache-2.0
"""What the collection is tried on: a real controller with a lab's estate, as processes in a folder of their
own, and Ansible's programs with the built collection. Nothing of the user's own Ansible or KeyMedic is read."""

import contextlib
import json
import os
import pathlib
import subprocess
import time

PATIENCE = 120  # seconds until something that must come has come
HERE = pathlib.Path(__file__).resolve().parent
COLLECTION = "ansible_collections/keymedic/fleet"


class Failure(Exception):
    """Something that the stage stands on did not work."""


def eventually(condition, what, details=lambda: ""):
    """What `condition` gives as soon as that is true."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        if found := condition():
            return found
        time.sleep(0.05)
    raise Failure(f"{what}: not within {PATIENCE} s\n{details()}")


class Process:
    """A program until the stage ends."""

    def __init__(self, command, log):
        self._log = log
        with open(log, "ab") as stream:
            self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=stream, stderr=stream)

    def check(self):
        if self._process.poll() is not None:
            raise Failure(f"{self._process.args[0]} has ended with {self._process.returncode}\n{self._log.read_text()}")

    def close(self):
        self._process.terminate()
        try:
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


class Ansible:
    """Ansible's programs, with the collection in `collections` and settings of their own."""

    def __init__(self, collections, folder):
        self.collections = pathlib.Path(collections)
        self.folder = pathlib.Path(folder)
        (self.folder / "home").mkdir(exist_ok=True)
        self.environment = {
            "PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "HOME": str(self.folder / "home"), "LC_ALL": "C.UTF-8",
            "ANSIBLE_COLLECTIONS_PATH": str(self.collections), "ANSIBLE_HOME": str(self.folder / "home"),
            "ANSIBLE_LOCALHOST_WARNING": "false", "ANSIBLE_INVENTORY_UNPARSED_WARNING": "false",
            "ANSIBLE_CALLBACK_PLUGINS": str(HERE / "callback"), "ANSIBLE_CALLBACKS_ENABLED": "told",
            "KEYMEDIC_TOLD": str(self.folder / "told.json"), "ANSIBLE_NOCOLOR": "true", "ANSIBLE_PIPELINING": "true", "ANSIBLE_PYTHON_INTERPRETER": "/usr/bin/python3"}

    def run(self, program, *arguments, check=True, **more):
        done = subprocess.run([f"/usr/bin/{program}", *map(str, arguments)], stdin=subprocess.DEVNULL, check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=600,
                              **{"cwd": self.folder, "env": self.environment, **more})
        if check and done.returncode != 0:
            raise Failure(f"{program} {' '.join(map(str, arguments))}: {done.returncode}\n{done.stdout}")
        return done

    def play(self, playbook, *arguments, check=True):
        """A playbook's results (callback/told.py) and its text."""
        told = self.folder / "told.json"
        told.unlink(missing_ok=True)
        done = self.run("ansible-playbook", playbook, *arguments, check=check)
        if not told.exists():
            raise Failure(f"ansible-playbook {playbook}: {done.returncode}\n{done.stdout}")
        return Play(json.loads(told.read_text()), done.stdout)

    def task(self, module, **options):
        """What one module returns, run by itself, as Ansible does on the machine: that is quicker than a playbook."""
        done = subprocess.run(
            ["/usr/bin/python3", "-B", self.collections / COLLECTION / f"plugins/modules/{module}.py"],
            input=json.dumps({"ANSIBLE_MODULE_ARGS": options}), check=False, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, timeout=600, cwd=self.folder,
            env={**self.environment, "PYTHONPATH": str(self.collections)})
        try:
            return json.loads(done.stdout)
        except ValueError:
            raise Failure(f"{module} {options}: {done.returncode}\n{done.stdout}") from None


class Play:
    def __init__(self, told, text):
        self.text = text
        self._tasks = told["tasks"]
        self._stats = told["stats"]

    def task(self, name):
        """What the first host got."""
        for task in self._tasks:
            if task["task"] == name:
                return task
        raise Failure(f"no task '{name}' in\n{self.text}")

    def stats(self, host="localhost"):
        return self._stats[host]


class Stage:
    """A controller, and the machines of an estate file with agents that have told their state."""

    def __init__(self, bin_folder, controller, collections, folder, estate, machines):
        self._stack = contextlib.ExitStack()
        self.folder = pathlib.Path(folder)
        self._bin = pathlib.Path(bin_folder)
        self.ansible = Ansible(collections, self.folder)
        try:
            self._start_controller(controller)
            token = self.folder / "token"
            token.write_text(self.keymedic("tokens", "create", "--uses", "10000"))
            lab = self._start("lab", self._bin / "keymedic", "lab", "serve", estate, "--controller", self.address,
                              "--token-file", token, "--state-dir", self.folder / "agents")
            eventually(lambda: lab.check() or len(self.reported()) == machines, f"{machines} machines report", self.logs)
        except BaseException:
            self._stack.close()
            raise

    def _start(self, name, *command):
        process = Process(command, self.folder / f"{name}.log")
        self._stack.callback(process.close)
        return process

    def _start_controller(self, program):
        data, port_file = self.folder / "controller", self.folder / "controller.port"
        subprocess.run([program, "init", "--data-dir", data, "--name", "127.0.0.1"], check=True,
                       stdout=subprocess.DEVNULL)
        controller = self._start("controller", program, "run", "--data-dir", data, "--listen", "127.0.0.1:0",
                                 "--port-file", port_file)
        eventually(lambda: controller.check() or port_file.exists(), "the controller listens", self.logs)
        self.address = f"127.0.0.1:{port_file.read_text().strip()}"
        self.connection = {"controller": self.address, "ca": str(data / "ca.crt"), "cert": str(data / "admin.crt"),
                           "key": str(data / "admin.key")}
        self.credentials = {f"KEYMEDIC_{name.upper()}": value for name, value in self.connection.items()}
        self.ansible.environment |= self.credentials

    def logs(self):
        return "\n".join(f"-- {log.name}\n{log.read_text(errors='replace')}" for log in self.folder.glob("*.log"))

    def keymedic(self, *arguments):
        done = subprocess.run([self._bin / "keymedic", *arguments], env={**os.environ, **self.credentials}, check=False,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300)
        if done.returncode != 0:
            raise Failure(f"keymedic {' '.join(arguments)}: {done.returncode}\n{done.stdout}{done.stderr}")
        return done.stdout

    def json(self, *arguments):
        return json.loads(self.keymedic(*arguments, "--output", "json"))

    def reported(self):
        return [machine for machine in self.json("machines", "list")["machines"] if machine["roles"]]

    def close(self):
        self._stack.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
