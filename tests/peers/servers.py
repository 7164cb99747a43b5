# SPDX-License-Identifier: Apache-2.0
"""Servers of others as processes of a test: each in a folder of its own, on a free port, ended with it."""

import os
import pwd
import shutil
import socket
import subprocess
import sys
import time

PATIENCE = 30  # seconds until a server answers


def program(name, package):
    found = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/libexec/samba")
    return found or sys.exit(f"tests/peers: there is no {name}; install the package {package}")


def free_port():
    """Free for TCP and UDP alike."""
    while True:
        with socket.socket() as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
            tcp.bind(("127.0.0.1", 0))
            port = tcp.getsockname()[1]
            try:
                udp.bind(("127.0.0.1", port))
                return port
            except OSError:
                continue


def tcp_answers(port):
    with socket.create_connection(("127.0.0.1", port), timeout=1):
        return True


def udp_answers(port, question):
    with socket.socket(type=socket.SOCK_DGRAM) as udp:
        udp.settimeout(1)
        udp.connect(("127.0.0.1", port))
        udp.send(question)
        return bool(udp.recv(512))


class Servers:
    """The programs that run, each a process group of its own in a folder of its own."""

    def __init__(self, folder):
        self.folder = folder
        self.running = []
        self.as_nobody = {}
        self.user = pwd.getpwuid(os.getuid()).pw_name
        if os.getuid() == 0:
            nobody = pwd.getpwnam("nobody")
            self.user = "nobody"
            self.as_nobody = {"user": nobody.pw_uid, "group": nobody.pw_gid, "extra_groups": []}
            os.chown(folder, nobody.pw_uid, nobody.pw_gid)

    def folder_of(self, name, files, subfolders=()):
        home = self.folder / name
        for made in (home, *(home / sub for sub in subfolders)):
            made.mkdir()
            if self.as_nobody:
                os.chown(made, self.as_nobody["user"], self.as_nobody["group"])
        for file, text in files.items():
            (home / file).write_text(text.replace("@HOME@", str(home)).replace("@USER@", self.user))
        return home

    def start(self, name, home, command, answers):
        log = home / "log"
        with open(log, "wb") as out:
            child = subprocess.Popen(command, cwd=home, stdin=subprocess.DEVNULL, stdout=out,
                                     stderr=subprocess.STDOUT, start_new_session=True, **self.as_nobody)
        self.running.append(child)
        end = time.monotonic() + PATIENCE
        while time.monotonic() < end and child.poll() is None:
            try:
                if answers():
                    return
            except OSError:
                time.sleep(0.05)
        sys.exit(f"tests/peers: {name} does not answer:\n{log.read_text(errors='replace')}")

    def end(self):
        for child in self.running:
            child.terminate()
        for child in self.running:
            try:
                child.wait(timeout=10)
            except subprocess.TimeoutExpired:
                child.kill()
                child.wait()


def start_nsd(servers, zones):
    """A name server for these zones: texts by name; None for one that cannot be loaded. Its port."""
    port = free_port()
    files = {f"{name}.zone": text for name, text in zones.items() if text is not None}
    stanzas = "".join(f"zone:\n  name: {name}\n  zonefile: {name}.zone\n" for name in zones)
    home = servers.folder_of("nsd", files | {"nsd.conf": f"""\
server:
  ip-address: 127.0.0.1@{port}
  username: ""
  chroot: ""
  zonesdir: "@HOME@"
  database: ""
  pidfile: "@HOME@/pid"
  xfrdfile: "@HOME@/xfrd"
  xfrdir: "@HOME@"
  zonelistfile: "@HOME@/zones"
  server-count: 1
  rrl-ratelimit: 0
remote-control:
  control-enable: no
{stanzas}"""})
    labels = [name for name, text in zones.items() if text is not None][0].encode().split(b".")
    question = (bytes.fromhex("000101000001000000000000") + b"".join(bytes([len(l)]) + l for l in labels)
                + bytes.fromhex("0000060001"))
    servers.start("NSD", home, [program("nsd", "nsd"), "-d", "-c", str(home / "nsd.conf")],
                  lambda: udp_answers(port, question))
    return port
