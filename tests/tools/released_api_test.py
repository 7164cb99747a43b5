#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""tools/released-api names each thing of the API that is broken, and lets additions pass."""

import importlib.machinery
import importlib.util
import pathlib
import shutil
import sys
import tempfile

sys.dont_write_bytecode = True
SOURCE = pathlib.Path(__file__).resolve().parent.parent.parent
# What is changed in which file, and what has to be named for that (nothing: it is an addition).
CHANGES = [
    ("access_service", "uint32 uses_left = 3;", "", "Token.uses_left = 3 uint32 optional\n  is gone"),
    ("access_service", "uint32 uses_left = 3;", "uint32 uses_left = 33;", "Token.uses_left = 3 uint32 optional\n  is now 33"),
    ("access_service", "uint32 uses_left = 3;", "uint64 uses_left = 3;", "uint32 optional\n  is now 3 uint64 optional"),
    ("access_service", "uint32 uses_left = 3;", "uint32 left = 3;", "its number is now that of left"),
    ("access_service", "uint32 uses_left = 3;", "repeated uint32 uses_left = 3;", "is now 3 uint32 repeated"),
    ("access_service", "map<string, string> labels = 9;", "map<string, bytes> labels = 9;", "is now 9 string,bytes map"),
    ("access_service", "rpc RevokeToken(RevokeTokenRequest) returns (Token);", "", "AccessService.RevokeToken"),
    ("access_service", "returns (Token);", "returns (stream Token);", "returns (stream keymedic.v1.Token)"),
    ("finding", "SEVERITY_NOTICE = 2;", "SEVERITY_HINT = 2;", "its number is now that of SEVERITY_HINT"),
    ("section", "optional uint32 build = 5;", "uint32 build = 5;", "OsSection.build = 5 uint32 presence\n  is now 5 uint32 optional"),
    ("remediation_service", "double percent = 2;", "}\n  double percent = 2;\n  oneof other { uint32 x = 9;", "ErrorBudget.percent"),
    ("bundle", "message SupportBundle {", "message Bundle {", "message keymedic.v1.SupportBundle\n  is gone"),
    ("access_service", "uint32 uses_left = 3;", "uint32 uses_left = 3; uint32 news = 99;", ""),
    ("finding", "SEVERITY_NOTICE = 2;", "SEVERITY_NOTICE = 2; SEVERITY_HINT = 9;", ""),
]


def recording(tool):
    """What is released must be recorded; what is not released yet need not be."""
    failed = 0
    with tempfile.TemporaryDirectory(prefix="keymedic-released-") as folder:
        tool.ROOT = pathlib.Path(folder)
        for heading, wanted in (("unreleased", []), ("2026-11-28", ["message keymedic.v1.News"])):
            (tool.ROOT / "CHANGELOG.md").write_text(f"# Changes\n\n## 0.1.0 ({heading})\n\n## 0.0.1 (2026-01-01)\n")
            if (said := tool.not_recorded([*tool.released(), "message keymedic.v1.News"])) != wanted:
                failed += 1
                print(f"{heading}: said {said}, wanted {wanted}")
    return failed


def main():
    path = str(SOURCE / "tools/released-api")
    loader = importlib.machinery.SourceFileLoader("released_api", path)
    tool = importlib.util.module_from_spec(importlib.util.spec_from_loader("released_api", loader))
    loader.exec_module(tool)
    failed = 0
    for file, old, new, named in CHANGES:
        with tempfile.TemporaryDirectory(prefix="keymedic-released-") as folder:
            protos = shutil.copytree(SOURCE / "proto", pathlib.Path(folder) / "proto")
            before = tool.api(protos)
            proto = protos / f"keymedic/v1/{file}.proto"
            text = proto.read_text()
            assert text.count(old) == 1, f"{file}: {old} is not there once"
            proto.write_text(text.replace(old, new))
            said = "\n".join(tool.broken(before, tool.api(protos)))
        if named not in said or bool(named) != bool(said):
            failed += 1
            print(f"{file}: {old!r} made {new!r}: said {said!r}, wanted {named!r}")
    failed += recording(tool)
    print(f"{len(CHANGES)} changes and two releases, {failed} judged wrongly")
    return failed


if __name__ == "__main__":
    sys.exit(main())
