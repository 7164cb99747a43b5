#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What docs/install.md and docs/upgrade.md say of machines with the packages, on a bare Debian 12 that is booted
with its own systemd: the shell blocks that are marked `packages`, as they stand.

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
from machine import BareRoot, Failure, Machine, why_not  # noqa: E402

PAGES = ["install.md", "upgrade.md"]


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
        debs = sorted(options.packages.glob("*.deb"))
        root = BareRoot(options.cache, folder / "base", [deb for deb in debs if "sdk" not in deb.name]).copy_to(folder / "root")
        # Where the reader has downloaded them; apt asks a person, and here is none.
        for deb in debs:
            shutil.copy(deb, root / "root")
        (root / "etc/apt/apt.conf.d/91yes").write_text('APT::Get::Assume-Yes "true";\n')
        count = 0
        with Machine(root) as machine:
            for page in PAGES:
                for block in pages.blocks(SOURCE / "docs" / page):
                    if block.language == "sh" and "packages" in block.words:
                        try:
                            machine.run("bash", "-euc", f"cd /root\n{block.text}")
                        except Failure as failure:
                            raise Failure(f"{block}: {failure}\n{machine.journal('keymedic-controller')}"
                                          f"{machine.journal('keymedic-agent')}") from failure
                        count += 1
    finally:
        shutil.rmtree(folder)
    print(f"{count} blocks of {', '.join(PAGES)} ran on a machine with the packages")
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except Failure as why:
        sys.exit(str(why))
