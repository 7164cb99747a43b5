# SPDX-License-Identifier: Apache-2.0
"""The system of this machine once more, to install things in and throw away. As root.

    with overlay.Overlay(folder) as system:
        system.run("dpkg", "-i", "/packages/some.deb")

What is written stays in memory, and none of this machine's own mounts is there: the devices are made for it, so that
clearing up the folder deletes nothing but what is in it. Processes and network are this machine's.
"""

import pathlib
import subprocess
import tempfile

from lab import Failure

ENVIRONMENT = {"PATH": "/usr/bin:/bin:/usr/sbin:/sbin", "HOME": "/root", "LC_ALL": "C.UTF-8"}
MOUNT = """\
mkdir layer root
mount -t tmpfs none layer
mkdir layer/upper layer/work
mount -t overlay overlay -o lowerdir=/,upperdir=layer/upper,workdir=layer/work root
mount -t proc proc root/proc
mount -t tmpfs none root/dev
mkdir -m 1777 root/dev/shm
ln -s /proc/self/fd root/dev/fd
for device in 'null c 1 3' 'zero c 1 5' 'full c 1 7' 'random c 1 8' 'urandom c 1 9' 'tty c 5 0'; do
  mknod -m 666 root/dev/$device
done
"""


class Overlay:
    """`root` is the folder with it. Close it, or use it with `with`."""

    def __init__(self, folder):
        self._folder = pathlib.Path(folder)
        self.root = self._folder / "root"
        made = self._shell(MOUNT)
        if made.returncode != 0:
            self.close()
            raise Failure(f"no overlay of / can be mounted in {folder}: {made.stdout}")

    def _shell(self, text):
        return subprocess.run(["/bin/sh", "-ec", text], cwd=self._folder, check=False, stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def run(self, *command, check=True, **more):
        """What it says, of both kinds."""
        done = subprocess.run(["/usr/sbin/chroot", self.root, *map(str, command)], env=ENVIRONMENT | more, check=False,
                              stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        if check and done.returncode != 0:
            raise Failure(f"{' '.join(map(str, command))}: {done.returncode}\n{done.stdout}")
        return done.stdout

    def build_package(self, name, files):
        """A stand-in of such a package: paths, texts and modes. Those below /etc/keymedic are its configuration files.
        Returns where it lies in this system."""
        tree = self.root / "trees" / name
        control = f"Package: {name}\nVersion: 0.1.0\nArchitecture: all\nMaintainer: KeyMedic <none@keymedic.example>\n" \
                  "Description: a stand-in\n"
        kept = "".join(f"/{path}\n" for path, _, _ in files if path.startswith("etc/keymedic/"))
        for path, text, mode in [("DEBIAN/control", control, 0o644), ("DEBIAN/conffiles", kept, 0o644), *files]:
            file = tree / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
            file.chmod(mode)
        self.run("dpkg-deb", "--root-owner-group", "--build", f"/trees/{name}", f"/trees/{name}.deb")
        return f"/trees/{name}.deb"

    def close(self):
        # Lazy: nothing stays mounted, whoever still runs in there.
        self._shell("umount --recursive --lazy root || :\numount --lazy layer")

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()


def of_test(test):
    """An overlay that ends with the test; without one the test is skipped. Of Debian's packages apt knows nothing there:
    stand-ins need none, and it is slow to read what there is."""
    folder = tempfile.TemporaryDirectory(prefix="keymedic-overlay-")
    test.addCleanup(folder.cleanup)
    try:
        system = Overlay(folder.name)
    except Failure as why:
        test.skipTest(str(why))
    test.addCleanup(system.close)
    system.run("sh", "-c", "rm -rf /var/lib/apt/lists/* /var/cache/apt/*.bin")
    return system
