#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What docs/install.md, upgrade.md and plugin-guide.md say of machines with the packages, on a bare Debian 12 that is
booted with its own systemd: the shell blocks that are marked `packages`, as they stand. The plugin is built before, in
this machine's own system under an overlay, with the SDK's package installed there.

    tests/packages/documentation_test.py --packages build/packages --cache build/bare-root
"""

import argparse
import pathlib
import shutil
import sys
import tempfile

sys.dont_write_bytecode = True  # nothing of a test stays in the source tree
SOURCE = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(SOURCE / "tests/docs"))
import pages  # noqa: E402
from machine import BareRoot, Failure, Machine, eventually, later, why_not  # noqa: E402
import overlay  # noqa: E402  (machine knows where the tests are)

PAGES = ["install.md", "upgrade.md", "plugin-guide.md"]
NAME = "keymedic.contoso.example"  # of the controller, on the pages


def build_plugins(sdk, folder, plugins):
    """As a stranger does: the package, the compiler, and what the guide says."""
    folder.mkdir()
    with overlay.Overlay(folder) as system:
        shutil.copy(sdk, system.root)
        system.run("dpkg", "-i", f"/{sdk.name}")
        for block in pages.blocks(SOURCE / "docs/plugin-guide.md"):
            if block.language == "sh" and "cmake" in block.text:
                system.run("sh", "-euc", f"cd /root\n{block.text}")
        plugins.mkdir()
        for plugin in (system.root / "root/build").glob("*.so"):
            shutil.copy(plugin, plugins)


def prepare(options, folder):
    """The root of a machine on which a reader has downloaded the packages; apt asks a person, and here is none."""
    debs = {deb.name.split("_")[0]: deb for deb in options.packages.glob("*.deb")}
    build_plugins(debs.pop("keymedic-plugin-sdk"), folder / "sdk", folder / "plugins")
    root = BareRoot(options.cache, folder / "base", list(debs.values())).copy_to(folder / "root")
    (root / "etc/hostname").write_text(f"{NAME.partition('.')[0]}\n")
    (root / "etc/hosts").write_text(f"127.0.0.1 localhost\n127.0.1.1 {NAME} {NAME.partition('.')[0]}\n")
    (root / "etc/apt/apt.conf.d/91yes").write_text('APT::Get::Assume-Yes "true";\n')
    for deb in debs.values():
        shutil.copy(deb, root / "root")
    shutil.copytree(folder / "plugins", root / "root/plugins")
    return root


def upgrade_packages(folder, home):
    """In the place of those that are installed there are later ones."""
    for deb in list(home.glob("*.deb")):
        shutil.move(later(deb, folder), home)
        deb.unlink()


def run_blocks(machine, page):
    count = 0
    for block in pages.blocks(SOURCE / "docs" / page):
        if block.language == "sh" and "packages" in block.words:
            try:
                machine.run("bash", "-euc", f"cd /root\n{block.text}")
            except Failure as failure:
                raise Failure(f"{block}: {failure}\n{machine.journal('keymedic-controller')}"
                              f"{machine.journal('keymedic-agent')}") from failure
            count += 1
    if not count:
        raise Failure(f"docs/{page} has no block that is marked `packages`")
    return count


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    for name in ("packages", "cache"):
        parser.add_argument(f"--{name}", required=True, type=lambda path: pathlib.Path(path).resolve())
    options = parser.parse_args()
    if why_not():
        print(f"skipped: {why_not()}")
        return 77
    options.cache.mkdir(parents=True, exist_ok=True)
    folder = pathlib.Path(tempfile.mkdtemp(dir=options.cache))
    try:
        count = 0
        with Machine(prepare(options, folder)) as machine:
            for page in PAGES:
                if page == "upgrade.md":
                    upgrade_packages(folder, machine.path("/root"))
                count += run_blocks(machine, page)
            eventually(lambda: '"disk"' in machine.run("keymedic", "machines", "show", NAME.partition(".")[0], "--output",
                                                       "json").stdout,
                       "the service has loaded the plugin", lambda: machine.journal("keymedic-agent"))
    finally:
        shutil.rmtree(folder)
    print(f"{count} blocks of {', '.join(PAGES)} ran on a machine with the packages")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Failure as why:
        sys.exit(str(why))
