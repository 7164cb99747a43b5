# SPDX-License-Identifier: Apache-2.0
"""Ansible's programs with the built collection. Nothing of the user's own Ansible or KeyMedic is read."""

import json
import pathlib
import subprocess
import sys

HERE = pathlib.Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
from lab import Failure  # noqa: E402

COLLECTION = "ansible_collections/keymedic/fleet"


class Ansible:
    """With the collection in `collections`, and settings and perhaps credentials for a controller in its environment."""

    def __init__(self, collections, folder, credentials=None):
        self.collections = pathlib.Path(collections).resolve()
        self.folder = pathlib.Path(folder)
        (self.folder / "home").mkdir(exist_ok=True)
        self.environment = {
            "PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "HOME": str(self.folder / "home"), "LC_ALL": "C.UTF-8",
            "ANSIBLE_COLLECTIONS_PATH": str(self.collections), "ANSIBLE_HOME": str(self.folder / "home"),
            "ANSIBLE_LOCALHOST_WARNING": "false", "ANSIBLE_INVENTORY_UNPARSED_WARNING": "false",
            "ANSIBLE_CALLBACK_PLUGINS": str(HERE / "callback"), "ANSIBLE_CALLBACKS_ENABLED": "told",
            "KEYMEDIC_TOLD": str(self.folder / "told.json"), "ANSIBLE_NOCOLOR": "true", "PYTHONDONTWRITEBYTECODE": "1", "ANSIBLE_PIPELINING": "true",
            "ANSIBLE_PYTHON_INTERPRETER": "/usr/bin/python3", **(credentials or {})}

    def run(self, program, *arguments, check=True, **more):
        done = subprocess.run([f"/usr/bin/{program}", *map(str, arguments)], stdin=subprocess.DEVNULL, check=False,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=600,
                              **{"cwd": self.folder, "env": self.environment, **more})
        if check and done.returncode != 0:
            raise Failure(f"{program} {' '.join(map(str, arguments))}: {done.returncode}\n{done.stdout}")
        return done

    def play(self, playbook, *arguments, **more):
        """A playbook's results (callback/told.py) and its text."""
        told = self.folder / "told.json"
        told.unlink(missing_ok=True)
        done = self.run("ansible-playbook", playbook, *arguments, **more)
        if not told.exists():
            raise Failure(f"ansible-playbook {playbook}: {done.returncode}\n{done.stdout}")
        return Play(told.read_text(), done.stdout)

    def task(self, module, **options):
        """What one module returns, run by itself, as Ansible does on the machine: that is quicker than a playbook.
        `_ansible_check_mode=True` and `_ansible_diff=True` are what --check and --diff become there."""
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
    """`returned` is all that a callback is given."""

    def __init__(self, returned, text):
        told = json.loads(returned)
        self.text, self.returned = text, returned
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
