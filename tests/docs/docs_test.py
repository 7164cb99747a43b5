#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Every command in the documentation.

A shell block says behind its language what becomes of it:

    ```sh run                      run; a ```text block behind it is what it prints (`…`: anything)
    ```sh run background until=X   run beside the others; the test goes on when it has said the regex X
    ```sh packages                 for a machine with the packages; tests/packages/documentation_test.py
    ```sh words                    has placeholders, or takes too long: not run

All of them must be good shell, and every command of KeyMedic in them, and in `code` within the text, must exist
with the options that are given. Blocks of YAML must be good YAML. The blocks of a page are one script, in a new
home with the programs on its PATH. A page with `<!-- with an estate -->` has a controller with a lab's machines, and stand-ins for
systemctl and journalctl that know this controller; one with `<!-- with the sdk -->` has the SDK's package
unpacked."""

import argparse
import concurrent.futures
import contextlib
import functools
import os
import pathlib
import re
import shlex
import signal
import socket
import subprocess
import sys
import tempfile

import yaml

sys.dont_write_bytecode = True  # nothing of a test stays in the source tree
SOURCE = pathlib.Path(__file__).resolve().parent.parent.parent
sys.path.insert(0, str(SOURCE / "tests"))
import lab  # noqa: E402
import pages  # noqa: E402

MARKS = {"run", "packages", "words"}
NOT_SHELL = {"", "text", "toml", "json", "yaml", "puppet", "python", "ruby", "cpp", "c", "cmake", "ini", "powershell", "bat"}
PROGRAMS = {"keymedic", "keymedic-agent", "keymedic-controller"}
BEFORE_A_COMMAND = {"sudo", "until", "while", "if", "then", "do", "else", "exec", "!", "{", "time"}
WITH_ESTATE, WITH_SDK = "<!-- with an estate -->", "<!-- with the sdk -->"
STAND_IN = pathlib.Path(__file__).parent / "systemctl"
PRELUDE = r"""
set -eu
said() { # a regex, a log, whose: waits for it
  for ((i = 0; i < 1200; i++)); do
    grep -Eq "$1" "$2" && return
    kill -0 "$3" 2>/dev/null || break
    sleep 0.1
  done
  echo "did not say $1:" && cat "$2" && return 1
}
exec 2>&1
"""


def files():
    return sorted([SOURCE / "README.md", *SOURCE.glob("docs/*.md")])


# Commands that exist.

def documented_pages():
    for path in files():
        for block in pages.blocks(path):
            if block.language == "sh":
                yield str(block), block.text
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            for code in re.findall(r"`((?:keymedic|keymedic-agent|keymedic-controller) [^`]+)`", line):
                yield f"{path.name}:{number}", code


def commands(text):
    """The commands of KeyMedic in a piece of shell: lists of words, as the shell would cut them."""
    text = re.sub(r"<<'?(\w+)'?\n.*?^\1$", "", text.replace("\\\n", " "), flags=re.S | re.M)
    text = re.sub(r"[$]\(|[()]", "\n", text)
    for line in text.splitlines():
        lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;<>")
        lexer.whitespace_split = True
        try:
            words = list(lexer)
        except ValueError:  # half of something, as `…` within a text
            words = line.split()
        command = []
        for word in [*words, ";"]:
            if set(word) <= set("|&;<>"):
                if command and command[0].split("/")[-1] in PROGRAMS:
                    yield command
                command = []
            elif command or word not in BEFORE_A_COMMAND and not re.match(r"\w+=", word):
                command.append(word)


@functools.cache
def help_of(program, *verbs):
    done = subprocess.run([program, *verbs, "--help"], capture_output=True, text=True, check=False)
    return done.stdout if done.returncode == 0 else None


def usage(text):
    return re.search(r"^Usage: .*$", text, re.M).group(0).replace("[SUBCOMMAND]", "SUBCOMMAND")


def unknown(command):
    """What of a command does not exist, or nothing."""
    program, *words = command
    verbs, seen = [], help_of(program)
    everywhere = seen
    for word in words:
        if word.startswith("-"):
            option = word.split("=")[0]
            if not re.search(rf"(^|[\s,]){re.escape(option)}[\s,]", seen + everywhere):
                return f"{program} {' '.join(verbs)} has no {option}"
        elif " SUBCOMMAND" in usage(seen):
            if not (deeper := help_of(program, *verbs, word)):
                return f"{program} {' '.join(verbs)} has no {word}"
            verbs.append(word)
            seen = deeper
    return ""


def check_words():
    problems, count = [], 0
    for where, text in documented_pages():
        for command in commands(text):
            count += 1
            if problem := unknown([pathlib.Path(command[0]).name, *command[1:]]):
                problems.append(f"{where}: {problem}")
    for path in files():
        for block in pages.blocks(path):
            if block.language == "sh":
                if len(MARKS & set(block.words)) != 1:
                    problems.append(f"{block}: say what becomes of this block: {', '.join(sorted(MARKS))}")
                done = subprocess.run(["bash", "-n"], input=block.text, text=True, capture_output=True, check=False)
                if done.returncode != 0:
                    problems.append(f"{block}: {done.stderr}")
            elif block.language == "yaml":
                try:
                    list(yaml.safe_load_all(block.text))
                except yaml.YAMLError as error:
                    problems.append(f"{block}: {error}")
            elif block.language not in NOT_SHELL:
                problems.append(f"{block}: is {block.language} a shell? Then write sh")
            elif block.language == "" and re.search(r"^\s*([$] )?(keymedic|\./dev|apt|systemctl)\b", block.text, re.M):
                problems.append(f"{block}: is a command, so write sh")
    return problems, count


# Commands that run.

def free_port():
    with socket.socket() as door:
        door.bind(("127.0.0.1", 0))
        return door.getsockname()[1]


def here(text, home, port):
    """A page's words, with what stands for a fleet's names and places in this test."""
    text = re.sub(r"(keymedic-controller run)(?![^\n]*--listen)", rf"\1 --listen 127.0.0.1:{port}", text)
    for place in ("/var/lib/keymedic", "/etc/keymedic", "/usr/include/keymedic", "/usr/share/doc/keymedic-plugin-sdk"):
        text = re.sub(rf"(?<![\w/]){place}", f"{home}{place}", text)
    text = text.replace("/usr/share/doc/keymedic/examples", str(SOURCE / "lab/estates"))
    return text.replace("keymedic.contoso.example", "localhost").replace(":7443", f":{port}")


class Estate(lab.Lab):
    """A home with the programs on its PATH; `start_estate` makes a controller with a lab's machines in it."""

    def __init__(self, programs, folder):
        super().__init__(programs, folder)
        self.port = free_port()
        self.environment |= {"KEYMEDIC_TEST_PORT": str(self.port), "LANG": "C.UTF-8"}
        (self.folder / "keymedic").symlink_to(SOURCE)  # where the reader has the source tree
        (self.folder / "var/lib").mkdir(parents=True)

    def start_estate(self):
        stand_ins = self.folder / "bin"
        stand_ins.mkdir()
        for name in ("systemctl", "journalctl"):
            (stand_ins / name).symlink_to(STAND_IN)
        self.environment["PATH"] = f"{stand_ins}:{self.environment['PATH']}"
        data = self.folder / "var/lib/keymedic"
        self.run("keymedic-controller", "init", "--data-dir", data, "--name", "localhost")
        (self.folder / "etc/keymedic").mkdir(parents=True)
        (self.folder / "etc/keymedic/controller.toml").symlink_to(data / "controller.toml")
        self.callback(self.run, "systemctl", "stop", "keymedic-controller")
        self.run("systemctl", "start", "keymedic-controller")
        self.know_controller(f"localhost:{self.port}", data)
        self.add_profile("main")
        self.serve(SOURCE / "tests/docs/estate.textproto")


def script(blocks, home, port):
    out = PRELUDE
    for block in blocks:
        text = here(block.text, home, port)
        out += f"echo '@@ {block.line}'\n"
        if "background" in block.words:
            log = f"{home}/background-{block.line}.log"
            out += f": >{log}\n{{ {text.rstrip()}\n}} >{log} 2>&1 &\nsaid '{block.words['until']}' {log} $!\n"
        else:
            out += text
    return out + "echo '@@ end'\n"


def in_one_session(command, world):
    """Runs it; whoever it left running is ended, and has ended. Returns its exit code and what it printed."""
    with subprocess.Popen(command, env=world.environment, cwd=world.folder, stdin=subprocess.DEVNULL,
                          stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        try:
            output, _ = process.communicate(timeout=lab.PATIENCE * 2)
        finally:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGTERM)
    lab.eventually(lambda: not in_group(process.pid), f"all that {command[0]} started has ended")
    return process.returncode, output


def in_group(group):
    """Whether somebody of that process group still runs; who has ended and was not waited for does not."""
    for stat in pathlib.Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            state, _, of = stat.read_text().rpartition(")")[2].split()[:3]
            if int(of) == group and state != "Z":
                return True
    return False


def run_page(path, programs):
    """Problems, and how many blocks ran."""
    found = pages.blocks(path)
    runs = [block for block in found if block.language == "sh" and "run" in block.words]
    if not runs:
        return [], 0
    with tempfile.TemporaryDirectory(prefix="keymedic-docs-") as folder, Estate(programs, folder) as world:
        if WITH_ESTATE in path.read_text(encoding="utf-8"):
            world.start_estate()
        if WITH_SDK in path.read_text(encoding="utf-8"):
            world.run("cmake", "--install", programs.parent, "--component", "sdk", "--prefix", f"{folder}/usr")
            world.environment["CMAKE_PREFIX_PATH"] = f"{folder}/usr"
        code, output = in_one_session(["bash", "-c", script(runs, folder, world.port)], world)
        printed = dict(part.split("\n", 1) for part in re.split(r"^@@ ", output, flags=re.M)[1:])
        # What the reader sees stands in the reader's places.
        printed = {line: text.replace(folder, "").replace(f":{world.port}", ":7443") for line, text in printed.items()}
    if code != 0 or "end" not in printed:
        line = list(printed)[-1] if printed else "?"
        return [f"{path.name}:{line}: this block fails:\n{printed.get(line, output)}"], 0
    problems = []
    for block in runs:
        after = found[found.index(block) + 1:][:1]
        if after and after[0].language == "text":
            if difference := pages.differs(after[0].text, printed[str(block.line)]):
                problems.append(f"{after[0]}: {difference}")
    return problems, len(runs)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--programs", required=True, type=lambda path: pathlib.Path(path).resolve())
    parser.add_argument("pages", nargs="*", help="names of pages; all, if none is given")
    options = parser.parse_args()
    os.environ["PATH"] = f"{options.programs}:{os.environ['PATH']}"
    problems, count = check_words()
    print(f"{count} commands, {len(problems)} that do not exist", *problems, sep="\n")
    failed = bool(problems)
    chosen = [path for path in files() if path.name != "api.md" and (not options.pages or path.name in options.pages)]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        for path, run in [(path, pool.submit(run_page, path, options.programs)) for path in chosen]:
            try:
                problems, ran = run.result()
            except (lab.Failure, subprocess.TimeoutExpired) as failure:
                problems, ran = [f"{path.name}: {failure}"], 0
            failed = failed or bool(problems)
            if ran or problems:
                print(f"{path.name}: {ran} blocks ran", *problems, sep="\n", flush=True)
    return failed


if __name__ == "__main__":
    sys.exit(main())
