#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""run.py COMMAND [ARGUMENT...]: starts the servers that others wrote, runs the command, ends them.

The command is peers_test, or `wine peers_test.exe` with WINEPREFIX naming a throw-away prefix. It
finds the ports in its environment as KEYMEDIC_PEER_*. Everything listens on the loopback, on free
ports, and lives in a folder that is removed at the end. Needs Debian's python3-impacket, samba,
nsd and chrony; as root, the servers run as nobody.
"""

import os
import pathlib
import pwd
import shutil
import socket
import subprocess
import sys
import tempfile
import time

sys.dont_write_bytecode = True  # nothing of a test stays in the source tree
PATIENCE = 30  # seconds until a server answers
SUFFIXES = ["corp.contoso.example", "contoso.example", "wild.contoso.example"]
TCPIP = r"HKLM\System\CurrentControlSet\Services\Tcpip\Parameters"

try:
    import small_servers
except ImportError as missing:
    sys.exit(f"tests/peers: {missing}; install the package python3-impacket")


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


def start_samba(servers):
    """Samba's local security authority behind its own RPC dispatcher, without endpoint mapper."""
    port = free_port()
    folders = ["ncalrpc", "private", "lock", "state", "cache", "pid", "binddns"]
    home = servers.folder_of("samba", {"smb.conf": f"""\
[global]
  workgroup = CONTOSO
  netbios name = PEER
  # Any other role offers its services over named pipes only.
  server role = classic primary domain controller
  rpc start on demand helpers = false
  rpc server dynamic port range = {port}-{port}
  interfaces = 127.0.0.1/8
  bind interfaces only = yes
  disable spoolss = yes
  load printers = no
  usershare path =
  log file = @HOME@/log.samba
  ncalrpc dir = @HOME@/ncalrpc
  private dir = @HOME@/private
  lock directory = @HOME@/lock
  state directory = @HOME@/state
  cache directory = @HOME@/cache
  pid directory = @HOME@/pid
  binddns dir = @HOME@/binddns
  passdb backend = tdbsam:@HOME@/private/passdb.tdb
"""}, folders)
    dispatcher, service = program("samba-dcerpcd", "samba"), program("rpcd_lsad", "samba")
    command = [dispatcher, "-F", "--no-process-group", "--debug-stdout", "-s", str(home / "smb.conf"),
               "-l", str(home), service]
    servers.start("Samba", home, command, lambda: tcp_answers(port))
    return {"SAMBA": port}


def zone_text(kms_port):
    text = (pathlib.Path(__file__).parent / "zone.txt").read_text()
    lines = [text.replace("@KMS_PORT@", str(kms_port))]
    for i in range(60):
        host = f"a-host-with-a-name-of-some-length-number-{i:02}.large"
        lines.append(f"_vlmcs._tcp.large SRV {i} 0 1688 {host}\n{host} A 192.0.2.{i}\n")
    return "".join(lines)


def start_nsd(servers, kms_port):
    port = free_port()
    home = servers.folder_of("nsd", {"zone": zone_text(kms_port), "nsd.conf": f"""\
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
zone:
  name: contoso.example
  zonefile: zone
zone:
  name: broken.example
  zonefile: is-not-there
"""})
    question = bytes.fromhex("0001010000010000000000000763 6f6e746f736f 076578616d706c6500 0006 0001")
    servers.start("NSD", home, [program("nsd", "nsd"), "-d", "-c", str(home / "nsd.conf")],
                  lambda: udp_answers(port, question))
    return {"DNS": port}


def start_chrony(servers):
    port = free_port()
    home = servers.folder_of("chrony", {"chrony.conf": f"""\
port {port}
bindaddress 127.0.0.1
allow 127.0.0.1
cmdport 0
bindcmdaddress /
local stratum 3
pidfile @HOME@/pid
"""})
    # -x: it never touches this machine's clock. -U: it need not be root.
    command = [program("chronyd", "chrony"), "-d", "-x", "-U", "-u", servers.user, "-f", str(home / "chrony.conf")]
    servers.start("chronyd", home, command, lambda: udp_answers(port, b"\x23" + bytes(39) + b"question"))
    return {"NTP": port}


def search_list(command, environment):
    """Gives the command the search list, and returns what takes it back."""
    if not os.path.basename(command[0]).startswith("wine"):
        environment["LOCALDOMAIN"] = " ".join(SUFFIXES)
        return lambda: None

    def registry(*arguments):
        subprocess.run([command[0], "reg", *arguments, "/f"], check=True, env=environment,
                       stdout=subprocess.DEVNULL)

    registry("add", TCPIP, "/v", "SearchList", "/d", ",".join(SUFFIXES))
    return lambda: registry("delete", TCPIP, "/v", "SearchList")


def main(command):
    if not command:
        sys.exit(__doc__)
    with tempfile.TemporaryDirectory(prefix="keymedic-peers-") as folder:
        kept = []
        ports = small_servers.start_all(kept)
        servers = Servers(pathlib.Path(folder))
        try:
            ports |= start_samba(servers) | start_nsd(servers, ports["KMS"]) | start_chrony(servers)
            environment = dict(os.environ)
            environment |= {f"KEYMEDIC_PEER_{name}": str(port) for name, port in ports.items()}
            take_back = search_list(command, environment)
            try:
                return subprocess.run(command, env=environment).returncode
            finally:
                take_back()
        finally:
            servers.end()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
