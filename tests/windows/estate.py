# SPDX-License-Identifier: Apache-2.0
"""What stands around a Windows machine under test, all of it real and on the loopback: a controller,
a name server (NSD), and behind a host's name an RPC server of impacket's that accepts a bind to the
KMS interface and offers nothing else. The machines' own state comes from a lab (prefix.py)."""

import contextlib
import logging
import os
import pathlib
import subprocess
import sys
import threading

import prefix

sys.dont_write_bytecode = True  # nothing of a test stays in the source tree
TESTS = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(TESTS), str(TESTS / "peers")]
import lab  # noqa: E402
import servers  # noqa: E402
import small_servers  # noqa: E402
from lab import eventually  # noqa: E402

SERVICE = "KeyMedicAgent"


class Controller(lab.Lab):
    """A native controller, and what it knows."""

    def machines(self):
        """Who has told its state: machines by name."""
        listed = self.json("machines", "list").get("machines", [])
        return {machine["display_name"]: machine for machine in listed if machine.get("roles")}

    def findings(self):
        """Codes of what is wrong, each with the machines that it is said of."""
        codes = {}
        for finding in self.json("findings", "list").get("findings", []):
            if finding["severity"] in ("SEVERITY_CRITICAL", "SEVERITY_WARNING"):
                codes.setdefault(finding["code"], set()).add(finding.get("subject", ""))
        return codes


class Door:
    """The KMS port of a lab's host as the network sees it: nobody answers until the firewall of that
    host is open in the lab."""

    def __init__(self, native, folder, lab_address, host):
        # An address of the loopback that this process alone uses, so that the port can be 1688.
        self.address = f"127.{64 + os.getpid() % 128}.{os.getpid() // 128 % 256}.{os.getpid() // 32768 % 254 + 1}"
        logging.getLogger("impacket").setLevel(logging.CRITICAL)
        self._look = [
            pathlib.Path(native) / "keymedic-agent", "--state-dir", folder / "door", "--system",
            f"lab:tcp:{lab_address}#{host}", "diagnose", "--output", "json"]
        self._ended = threading.Event()
        self._thread = threading.Thread(target=self._open_when_told, daemon=True)
        self._thread.start()

    def _open_when_told(self):
        while not self._ended.wait(0.3):
            seen = subprocess.run(self._look, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
            if seen.returncode in (0, 1) and seen.stdout and "HOST_FIREWALL_CLOSED" not in seen.stdout:
                small_servers.RpcServer(small_servers.KMS_INTERFACE, (self.address, 1688)).start()
                return

    def close(self):
        self._ended.set()
        self._thread.join()


def zone(door):
    return f"""\
$TTL 60
@ SOA ns hostmaster 1 3600 600 86400 60
  NS ns
ns A 127.0.0.1
_vlmcs._tcp SRV 0 0 1688 kms-1
kms-1 A {door.address}
"""


class Windows:
    """One machine of the lab as a Windows with the agent's package."""

    def __init__(self, template, doubles, lab_address, name, config):
        self.name = name
        self.prefix = prefix.Prefix(template)
        try:
            # Without that Wine is a Windows too old for the package.
            self.tell("reg", "add", r"HKCU\Software\Wine", "/v", "Version", "/d", "win10", "/f")
            self.prefix.become(doubles, lab_address, name)
            self.state = self.prefix.drive_c("ProgramData/KeyMedic")
            self.state.mkdir(mode=0o700)
            (self.state / "agent.toml").write_text(config, encoding="utf-8")
        except BaseException:
            self.prefix.close()
            raise

    def tell(self, *command):
        return self.prefix.run(command, timeout=120, capture_output=True).stdout.decode(errors="replace")

    def install(self, msi, controller):
        log = self.state.parent / "msi.log"
        command = ["msiexec", "/i", self.prefix.windows_path(msi), "/qn", f"KEYMEDIC_CONTROLLER={controller.address}",
                   f"KEYMEDIC_TOKEN={controller.token().read_text().strip()}", "/l*v", self.prefix.windows_path(log)]
        for again in (True, False):
            done = self.prefix.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
            if done.returncode == 0:
                return
            if log.exists() or not again:
                said = log.read_text(errors="replace") if log.exists() else done.stdout.decode(errors="replace")
                raise prefix.Failure(f"msiexec ends with {done.returncode}:\n{said}")
            # Seldom Wine does not get a program started at all: nothing was installed, so nothing is hidden by once more.
            print(f"msiexec ends with {done.returncode} before it begins:\n{done.stdout.decode(errors='replace')}",
                  file=sys.stderr)

    def log(self):
        with contextlib.suppress(OSError):
            return (self.state / "agent.log").read_text(encoding="utf-8", errors="replace")
        return ""

    def service_state(self):
        for line in self.tell("sc", "query", SERVICE).splitlines():
            if "STATE" in line:
                return line.split()[-1]
        return ""

    def processes(self, program):
        """The ids that Linux has for the processes of a program in this prefix."""
        found = []
        for status in pathlib.Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                command = (status / "cmdline").read_bytes().split(b"\0")[0].decode(errors="replace")
                environment = (status / "environ").read_bytes().split(b"\0")
                if command.endswith(program) and f"WINEPREFIX={self.prefix.path}".encode() in environment:
                    found.append(int(status.name))
        return found

    def close(self):
        self.prefix.close()


class World:
    """A controller, a lab, a name server, and Windows machines of the lab with the package.

    `options` names the folders `native` and `windows` (the builds), `msi` and the lab's `estate`; the
    agents look at their machine as often as `look_every` says ("5s"). Close it, or use it with `with`."""

    def __init__(self, options, folder, machines, look_every):
        self._stack = contextlib.ExitStack()
        self.folder = pathlib.Path(folder)
        build = pathlib.Path(options.windows)
        native = pathlib.Path(options.native)
        try:
            self.controller = self._stack.enter_context(Controller(native, self.folder))
            self.controller.start_controller(f'collect_interval = "{look_every}"\n')
            self.lab = self._stack.enter_context(prefix.Lab(native / "keymedic", options.estate))
            self.door = Door(native, self.folder, self.lab.address, "kms-1")
            self._stack.callback(self.door.close)
            running = servers.Servers(self.folder)
            self._stack.callback(running.end)
            port = servers.start_nsd(running, {"office.example": zone(self.door)})
            config = f'[plugins.settings]\nname_servers = "127.0.0.1:{port}"\n'
            self.windows = {}
            for name in machines:
                windows = Windows(prefix.Template(build / "wine-template"), build / "tests/doubles",
                                  self.lab.address, name, config)
                self._stack.callback(windows.close)
                windows.install(options.msi, self.controller)
                self.windows[name] = windows
            eventually(lambda: set(machines) <= set(self.controller.machines()), "every machine reports", self.logs)
        except BaseException:
            self._stack.close()
            raise

    def logs(self):
        return "\n".join([self.controller.logs(), *(f"-- {name}\n{windows.log()}" for name, windows in self.windows.items())])

    def close(self):
        self._stack.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
