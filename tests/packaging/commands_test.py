#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""commands_test.py BIN: the completions and manual pages of the programs, held against what --help says, and used:
bash, zsh, fish and groff are asked themselves."""
import functools
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile
import unittest

BIN = pathlib.Path(sys.argv.pop(1)).resolve()
PROGRAMS = {"keymedic": 1, "keymedic-agent": 8, "keymedic-controller": 8}


def output(*command, **more):
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, timeout=60, **more)
    assert done.returncode == 0, f"{command}: {done.returncode}\n{done.stderr}"
    return done.stdout


@functools.cache
def commands(program):
    """Path -> (commands below it, its options), as people see them."""
    found = {}

    def read(path):
        text = output(BIN / path[0], *path[1:], "--help")
        _, _, below = text.partition("\nSubcommands:\n")
        names = re.findall(r"^  ([a-z][\w-]*)", below, re.M)
        options = re.findall(r"^  (?:-\w,)?(--[\w-]+)|^  -\w,(--[\w-]+)", text.partition("Options:")[2].partition("\nSubcommands:")[0], re.M)
        found[" ".join(path)] = (names, [a or b for a, b in options])
        for name in names:
            read(path + [name])

    read([program])
    return found


@functools.cache
def script(program, shell):
    return output(BIN / program, "completion", shell)


@functools.cache
def page(program):
    return output(BIN / program, "manual")


class BashTest(unittest.TestCase):
    def complete(self, program, *words):
        """What Tab offers behind these words, the last of which is being typed."""
        ask = ('source /dev/stdin; COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); "$(complete -p "$1" | '
               'sed "s/.*-F \\([^ ]*\\) .*/\\1/")"; printf "%s\\n" "${COMPREPLY[@]}"')
        return output("bash", "-c", ask, "-", program, *words, input=script(program, "bash")).split()

    def test_every_command_and_flag_is_offered(self):
        for program in PROGRAMS:
            self.assertGreater(len(commands(program)), 2)
            for path, (names, options) in commands(program).items():
                with self.subTest(path):
                    words = path.split()[1:]
                    if names:
                        self.assertEqual(set(self.complete(program, *words, "")), set(names))
                    self.assertLessEqual(set(options) - {"--version"}, set(self.complete(program, *words, "--")) | {"--version"})

    def test_the_word_that_is_typed(self):
        self.assertEqual(self.complete("keymedic", "find"), ["findings"])
        self.assertEqual(self.complete("keymedic", "findings", "li"), ["list"])
        self.assertEqual(self.complete("keymedic", "findings", "list", "--outp"), ["--output"], "of the command above")

    def test_values(self):
        for words in (["--output", ""], ["findings", "list", "-o", ""], ["--output", "="], ["--output", "=", ""]):
            self.assertEqual(self.complete("keymedic", *words), ["table", "json"], words)
        self.assertEqual(self.complete("keymedic", "--output", "j"), ["json"])
        self.assertEqual(self.complete("keymedic", "--profile", "find"), [], "the name of a profile is no command")
        self.assertEqual(self.complete("keymedic", "--profile", "findings", "machines", "li"), ["list"])
        self.assertEqual(self.complete("keymedic-agent", "enroll", "--token-file", ""), [], "left to bash: a file")

    def test_what_is_hidden_stays_so(self):
        self.assertNotIn("service", self.complete("keymedic-agent", ""))
        self.assertNotIn("completion", self.complete("keymedic", ""))


class OtherShellsTest(unittest.TestCase):
    @unittest.skipUnless(shutil.which("fish"), "there is no fish")
    def test_fish_completes(self):
        def complete(line):
            program = line.split()[0]
            with tempfile.NamedTemporaryFile("w", suffix=".fish") as file:
                file.write(script(program, "fish"))
                file.flush()
                said = output("fish", "--no-config", "-c", f"source {file.name}; complete -C '{line}'")
            return [offer.split("\t")[0] for offer in said.splitlines()]

        for program in PROGRAMS:
            with self.subTest(program):
                self.assertEqual(set(complete(f"{program} ")), set(commands(program)[program][0]))
        self.assertLessEqual({"list", "explain"}, set(complete("keymedic --profile findings findings ")))
        self.assertEqual(set(complete("keymedic findings list --output ")), {"table", "json"})
        self.assertIn("--controller", complete("keymedic-agent enroll --con"))

    @unittest.skipUnless(shutil.which("zsh"), "there is no zsh")
    def test_zsh_reads_it_and_offers(self):
        # Without a terminal: what the script hands to zsh's own functions.
        stubs = ('compadd() { shift; print -l -- $@ }; _files() { print FILES }\n'
                 '_describe() { local -a all; all=("${(@P)argv[-1]}"); print -l -- "${(@)all%%:*}" }\n'
                 'complete_it() { local -a words; words=("$@"); local CURRENT=$# PREFIX=${@[-1]}; eval "$script" }\n')
        def complete(program, *words):
            return output("zsh", "-f", "-c", f'script=$(cat); {stubs}complete_it "$@"', "-", program, *words,
                          input=script(program, "zsh")).split()

        for program in PROGRAMS:
            for path, (names, options) in commands(program).items():
                with self.subTest(path):
                    words = path.split()[1:]
                    if names:
                        self.assertEqual(set(complete(program, *words, "")), set(names))
                    self.assertLessEqual(set(options), set(complete(program, *words, "--")) | {"--version"})
        self.assertEqual(complete("keymedic", "--output", ""), ["table", "json"])
        self.assertEqual(complete("keymedic-agent", "enroll", "--token-file", ""), ["FILES"])


class ManualTest(unittest.TestCase):
    def test_every_command_and_flag_stands_there(self):
        for program in PROGRAMS:
            text = page(program).replace("\\-", "-")
            for path, (_, options) in commands(program).items():
                with self.subTest(path):
                    self.assertIn(f"\\fB{path}\\fR", text)
                    for option in options:
                        self.assertIn(f"\\fB{option}\\fR", text)

    @unittest.skipUnless(shutil.which("groff"), "there is no groff")
    def test_groff_has_nothing_to_say(self):
        for program, section in PROGRAMS.items():
            with self.subTest(program):
                done = subprocess.run(["groff", "-ww", "-man", "-Tutf8", "-P-cbou"], input=page(program),
                                      capture_output=True, text=True, timeout=60)
                self.assertEqual((done.returncode, done.stderr), (0, ""))
                self.assertIn(f"{program.upper()}({section})", done.stdout)
                self.assertRegex(done.stdout, rf"NAME\n +{program} - \w")
                self.assertIn(f"KeyMedic {output(BIN / program, '--version').split()[-1]}", done.stdout)


if __name__ == "__main__":
    unittest.main()
