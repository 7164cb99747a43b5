#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""The examples of plugins/sdk, built as a stranger builds them: from what the component `sdk` installs into
an empty folder and nothing else. Then the agent loads them, diagnoses with them, and sends what they saw to
a controller."""

import argparse
import base64
import json
import pathlib
import subprocess
import sys
import tempfile
import zipfile

sys.dont_write_bytecode = True  # nothing of a test stays in the source tree
SOURCE = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(SOURCE / "tests"))
import lab  # noqa: E402
from google.protobuf import struct_pb2  # noqa: E402


def check(condition, what):
    if not condition:
        raise lab.Failure(what)


def build(world, options):
    """Two folders of plugins: by CMake, and the one in C by a line for its compiler."""
    sdk, out = world.folder / "sdk", world.folder / "build"
    world.run("cmake", "--install", options.build, "--component", "sdk", "--prefix", sdk)
    examples = world.folder / "examples"
    (sdk / "share/doc/keymedic-plugin-sdk/examples").rename(examples)
    world.run("cmake", "-S", examples, "-B", out, f"-DCMAKE_PREFIX_PATH={sdk}", "-DCMAKE_EXPORT_COMPILE_COMMANDS=ON",
              "-DCMAKE_CXX_COMPILER_LAUNCHER=")
    commands = (out / "compile_commands.json").read_text()
    for place in (SOURCE, options.build):
        check(str(place) not in commands, f"the examples are compiled with something of {place}:\n{commands}")
    world.run("cmake", "--build", out)
    by_hand = world.folder / "by-hand"
    by_hand.mkdir(mode=0o755)
    world.run("cc", "-shared", "-fPIC", "-Wall", "-Werror", "-I", sdk / "include/keymedic", examples / "restart.c", "-o",
              by_hand / "keymedic_restart.so")
    plugins = world.folder / "plugins"
    plugins.mkdir(mode=0o755)
    for file in out.glob("*.so"):
        file.rename(plugins / file.name)
    for folder in (plugins, by_hand):
        for file in folder.iterdir():
            file.chmod(0o755)
    return plugins, by_hand


def diagnose_alone(world, agent):
    """Without a controller. Returns what is said of a disk that should be quite empty."""
    found = json.loads(world.run(*agent, "diagnose", "--output", "json"))["findings"]
    check([finding["code"] for finding in found] == ["DISK_SPACE_LOW"], f"the agent finds {found}")


def bundle(world, plugins):
    """The names of the plugins that the agent says it has loaded, and their sections' types."""
    archive = world.folder / "bundle.zip"
    world.run("keymedic", "bundle", "create", "--plugin-dir", plugins, "-o", archive, "--force")
    with zipfile.ZipFile(archive) as file:
        manifest = json.loads(file.read("manifest.json"))
        sections = [json.loads(file.read(name)) for name in file.namelist() if name.startswith("sections/")]
    return [plugin["name"] for plugin in manifest["plugins"]], {section["name"]: section["type"] for section in sections}


def report(world, agent):
    """Over a real controller: sections by name, as a client of its API gets them."""
    world.start_controller()
    world.run(*agent, "enroll", "--controller", world.address, "--token-file", world.token())
    world.start(*agent, "run", until="AGENT_LOOKED")

    def sections():
        shown = world.json("machines", "show", "example")
        return {section["name"]: section for section in shown.get("sections", [])}

    return world.eventually(sections, "the controller has the machine's sections")


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--build", required=True, type=lambda path: pathlib.Path(path).resolve())
    parser.add_argument("--programs", type=lambda path: pathlib.Path(path).resolve())
    options = parser.parse_args()
    programs = options.programs or options.build / "bin"
    with tempfile.TemporaryDirectory(prefix="keymedic-sdk-") as folder, lab.Lab(programs, folder) as world:
        plugins, by_hand = build(world, options)
        config = world.folder / "agent.toml"
        config.write_text(f'name = "example"\nstate_dir = "{folder}/agent"\n[plugins]\ndir = "{plugins}"\n'
                          f'[plugins.settings]\ndisk_path = "{folder}"\ndisk_least_percent = "100"\n')
        agent = ["keymedic-agent", "--config", config]
        diagnose_alone(world, agent)
        types = {"disk": "google.protobuf.Struct", "restart": "google.protobuf.BoolValue"}
        for place, names in ((plugins, ["disk", "restart"]), (by_hand, ["restart"])):
            seen = bundle(world, place)
            check(seen == (names, {name: types[name] for name in names}), f"the bundle with {place} has {seen}")
        sections = report(world, agent)
        check(sorted(sections) == ["disk", "restart"], f"the controller has the sections {sorted(sections)}")
        disk = struct_pb2.Struct.FromString(base64.b64decode(sections["disk"]["payload"]))
        check(disk["path"] == folder and 0 <= disk["free_percent"] <= 100, f"the section is {disk}")
        waits = pathlib.Path("/run/reboot-required").exists()
        check(base64.b64decode(sections["restart"]["payload"]) == (b"\x08\x01" if waits else b""), str(sections["restart"]))
        config.write_text(config.read_text().replace('"100"', '"many"'))
        refused = subprocess.run([*agent, "diagnose"], env=world.environment, capture_output=True, text=True, check=False)
        check("give a number from 0 to 100" in refused.stderr, f"a setting that is none: {refused}")
    print("built from the SDK alone, loaded, asked, and reported: disk (C++), restart (C, twice)")


if __name__ == "__main__":
    try:
        main()
    except lab.Failure as failure:
        sys.exit(str(failure))
