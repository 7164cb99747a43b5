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
import subprocess
import sys
import tempfile

sys.dont_write_bytecode = True  # nothing of a test stays in the source tree
SUFFIXES = ["corp.contoso.example", "contoso.example", "wild.contoso.example"]
TCPIP = r"HKLM\System\CurrentControlSet\Services\Tcpip\Parameters"

try:
    import small_servers
except ImportError as missing:
    sys.exit(f"tests/peers: {missing}; install the package python3-impacket")
from servers import Servers, free_port, program, start_nsd, tcp_answers, udp_answers


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
            zones = {"contoso.example": zone_text(ports["KMS"]), "broken.example": None}
            ports |= start_samba(servers) | start_chrony(servers) | {"DNS": start_nsd(servers, zones)}
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
