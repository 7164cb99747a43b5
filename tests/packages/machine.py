# SPDX-License-Identifier: Apache-2.0
"""A throw-away Debian 12: a bare root in a folder, and that root booted with its own systemd.

    bare = BareRoot(cache, base, [deb])   # made by mmdebstrap once, then a tarball in the cache
    with Machine(bare.copy_to(folder)) as machine:
        machine.apt("install", *place(folder, [deb]))

A booted machine has no network but its own loopback; what apt needs of Debian's packages was loaded before.
Commands enter it through its namespaces, so it needs no Python, no ssh, and the host no systemd.
"""

import contextlib
import fcntl
import functools
import os
import pathlib
import re
import shutil
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))
from lab import Failure, eventually  # noqa: E402

ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": "/root", "LC_ALL": "C.UTF-8",
               "DEBIAN_FRONTEND": "noninteractive"}


@functools.cache
def why_not():
    """Why there can be no such machine here, or an empty text."""
    if os.geteuid() != 0:
        return "a machine is booted by root alone: run this as root"
    missing = [tool for tool in ("mmdebstrap", "systemd-nspawn", "nsenter") if shutil.which(tool) is None]
    if missing:
        return f"not installed: {', '.join(missing)}; ./dev test installs it"
    # As in a container of somebody else's.
    tried = subprocess.run(["unshare", "--mount", "--pid", "--fork", "--mount-proc", "true"], stdin=subprocess.DEVNULL,
                           capture_output=True, text=True, check=False)
    return f"root may not mount or start a system here: {tried.stderr.strip()}" if tried.returncode else ""


def call(*command, check=True, **options):
    done = subprocess.run([str(part) for part in command], check=False, stdin=subprocess.DEVNULL,
                          capture_output=True, text=True, errors="replace", **options)
    if check and done.returncode != 0:
        raise Failure(f"{' '.join(map(str, command))}: {done.returncode}\n{done.stdout}{done.stderr}")
    return done


class BareRoot:
    """A Debian 12 with systemd and nothing else, made at first use, in the folder `base`. What these packages need is
    there for apt to install; nothing of it is installed."""

    INCLUDE = "systemd,systemd-sysv,dbus,iproute2"

    def __init__(self, cache, base, packages):
        self._base = base
        with open(cache / "lock", "w", encoding="utf-8") as lock:  # two tests at once make one
            fcntl.flock(lock, fcntl.LOCK_EX)
            self._make(cache, base, packages)

    def _make(self, cache, base, packages):
        tarball = cache / "bookworm.tar"
        if tarball.exists():
            base.mkdir()
            call("tar", "-C", base, "-xf", tarball)
        else:
            call("mmdebstrap", "--variant=minbase", f"--include={self.INCLUDE}", "bookworm", base)
            # A name that is found without any network; what apt loads stays.
            (base / "etc/hostname").write_text("kc\n")
            (base / "etc/hosts").write_text("127.0.0.1 localhost\n127.0.1.1 kc.office.example kc\n")
            (base / "etc/apt/apt.conf.d/90test").write_text('APT::Keep-Downloaded-Packages "true";\n')
        apt = [*container(base), "--pipe", "--", "apt-get", "-qq", "-y"]
        install = ["--download-only", "install", *place(base, packages)]
        if call(*apt, "--no-download", *install, check=False).returncode != 0:
            call(*apt, "update")
            call(*apt, *install)
            part = cache / "bookworm.part.tar"
            call("tar", "-C", base, "-cf", part, "--exclude=./packages", ".")
            part.rename(tarball)

    def copy_to(self, folder):
        call("cp", "-a", "--reflink=auto", self._base, folder)
        return folder


LATER = "99~test"  # a version


def later(package, folder):
    """The same package, as if it were of a later version."""
    tree = folder / f"{package.stem}.tree"
    call("dpkg-deb", "--raw-extract", package, tree)
    control = tree / "DEBIAN/control"
    control.write_text(re.sub("^Version: .*$", f"Version: {LATER}", control.read_text(), flags=re.M))
    target = folder / f"{package.name.split('_')[0]}_{LATER}.deb"
    call("dpkg-deb", "-Znone", "--build", tree, target)
    shutil.rmtree(tree)
    return target


def chroot(folder, *command):
    """In a root while no systemd runs in it, as when an image is made."""
    return call("chroot", folder, *command, env=ENVIRONMENT)


def container(folder):
    return ["systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--directory", folder]


def place(folder, packages):
    """Copies packages into a root; how they are called there."""
    target = folder / "packages"
    target.mkdir(exist_ok=True)
    for package in packages:
        shutil.copy(package, target)
    return [f"/packages/{package.name}" for package in packages]


class Machine:
    """A root, booted. Close it, or use it with `with`."""

    def __init__(self, folder):
        self.folder = folder
        self._console = folder.with_suffix(".console")
        with open(self._console, "wb") as console:
            self._container = subprocess.Popen(
                [str(part) for part in container(folder)] +
                ["--boot", "--private-network", "--console=pipe"],
                stdin=subprocess.DEVNULL, stdout=console, stderr=console)
        try:
            self._leader = eventually(self._find_leader, "the machine boots", self.console)
            eventually(lambda: self.run("systemctl", "is-system-running", check=False).stdout.strip() in
                       ("running", "degraded"), "systemd is up", self.console)
        except BaseException:
            self._container.kill()
            self._container.wait()
            raise

    def console(self):
        return self._console.read_text(errors="replace")

    def _find_leader(self):
        if self._container.poll() is not None:
            raise Failure(f"systemd-nspawn ended with {self._container.returncode}:\n{self.console()}")
        with contextlib.suppress(OSError):
            pid = self._container.pid
            for child in pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
                # Not before it is systemd, in namespaces of its own.
                if pathlib.Path(f"/proc/{child}/comm").read_text().strip() == "systemd":
                    return child
        return None

    def _enter(self, command):
        return ["nsenter", "-t", self._leader, "-m", "-u", "-i", "-n", "-p", "-r", "-w", "--", *map(str, command)]

    def run(self, *command, check=True, **more):
        return call(*self._enter(command), check=check, env=ENVIRONMENT | more)

    def start(self, *command):
        """The command as a process of this machine's; wait for it."""
        return subprocess.Popen(self._enter(command), env=ENVIRONMENT, stdin=subprocess.DEVNULL,
                                stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def signal(self, signal, program):
        """To all processes of a program; the kernel keeps 15 letters of its name."""
        self.run("bash", "-c", f"kill -{signal} $(grep -lx {program[:15]} /proc/[0-9]*/comm | cut -d/ -f3)")

    def apt(self, *arguments):
        return self.run("apt", "-y", *arguments).stdout

    def path(self, inside):
        return self.folder / inside.lstrip("/")

    def write(self, inside, text):
        """As an editor does: who may read the file stays as it is."""
        self.path(inside).write_text(text)

    def show(self, unit, what):
        return self.run("systemctl", "show", "--value", "-p", what, unit).stdout.strip()

    def journal(self, unit):
        return self.run("journalctl", "--no-pager", "-o", "cat", "-u", unit).stdout

    def installed(self):
        """Installed-Size in KiB of each package."""
        listed = self.run("dpkg-query", "-W", "-f", "${db:Status-Abbrev}\t${Package}\t${Installed-Size}\n").stdout
        rows = (line.split("\t") for line in listed.splitlines())
        return {name: int(size) for state, name, size in rows if state.startswith("ii")}

    def close(self):
        if self._container.poll() is None:
            self.run("systemctl", "poweroff", check=False)
            try:
                self._container.wait(timeout=30)
            except subprocess.TimeoutExpired:
                self._container.kill()
                self._container.wait()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
