#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Every call of docs/api.md, in each language, against an estate of its own: what it prints is what the
page says. Needs Debian's python3-grpcio, ruby-grpc and protobuf-compiler-grpc."""

import argparse
import concurrent.futures
import os
import pathlib
import sys
import tempfile

sys.dont_write_bytecode = True  # nothing of a test stays in the source tree
SOURCE = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(SOURCE / "tests"))
import lab  # noqa: E402
import pages  # noqa: E402

CALLS = 10
# How each language runs a file, and says that what follows belongs to the next block.
LANGUAGES = {
    "python": (["/usr/bin/python3", "-B", "program.py"], "print('@@', {line}, flush=True)\n"),
    "ruby": (["/usr/bin/ruby", "-w", "-I", "stubs", "-I", ".", "program.rb"], "$stdout.sync = true; puts '@@ {line}'\n"),
}


def examples(page):
    """(heading, {"python": block, "ruby": block, ...}, what it prints) in order, with no part missing."""
    out = {}
    for block in page:
        if not block.words:
            out.setdefault(block.heading, {})[block.language] = block
    wrong = [heading for heading, found in out.items()
             if "text" not in found or not (set(found) & set(LANGUAGES))
             or heading[0].isdigit() and set(found) != {*LANGUAGES, "text"}]
    numbered = [heading.split(".")[0] for heading in out if heading[0].isdigit()]
    if wrong or numbered != [str(number + 1) for number in range(CALLS)]:
        raise lab.Failure(f"docs/api.md: calls {numbered}; not in each language, or without what it prints: {wrong}")
    return out


def run_language(language, page, programs):
    """One program out of all blocks of a language; what differs."""
    command, mark = LANGUAGES[language]
    calls = [(heading, found[language], found["text"]) for heading, found in examples(page).items() if language in found]
    with tempfile.TemporaryDirectory(prefix="keymedic-api-") as folder, lab.Lab(programs, folder) as estate:
        # As people have it, and as programs have it.
        estate.start_controller(profile={"python": "lab", "ruby": None}[language])
        estate.serve(SOURCE / "tests/estates/small.textproto")
        (estate.folder / "proto").symlink_to(SOURCE / "proto")
        for block in page:
            if block.language == "sh":
                estate.run("bash", "-eu", "-c", block.text)
            elif block.language == language and "file" in block.words:
                (estate.folder / block.words["file"]).write_text(block.text)
        start = "require 'estate'\n" if language == "ruby" else ""
        (estate.folder / command[-1]).write_text(
            start + "".join(mark.format(line=block.line) + block.text for _, block, _ in calls))
        estate.environment["PYTHONPATH"] = os.pathsep.join(["stubs", "."])
        printed = dict(part.split("\n", 1) for part in estate.run(*command).split("@@ ")[1:])
    problems = []
    for heading, block, text in calls:
        if difference := pages.differs(text.text, printed[str(block.line)]):
            problems.append(f"{block} ({language}, {heading})\n{difference}")
    return problems, len(calls)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--programs", required=True, type=lambda path: pathlib.Path(path).resolve())
    options = parser.parse_args()
    page = pages.blocks(SOURCE / "docs/api.md")
    failed = False
    with concurrent.futures.ThreadPoolExecutor() as pool:
        runs = {}
        for language in LANGUAGES:
            runs[language] = pool.submit(run_language, language, page, options.programs)
        for language, run in runs.items():
            try:
                problems, calls = run.result()
            except lab.Failure as failure:
                problems, calls = [str(failure)], 0
            failed = failed or bool(problems)
            print(f"{language}: {calls} calls, {len(problems)} problems", *problems, sep="\n")
    return failed


if __name__ == "__main__":
    sys.exit(main())
