# SPDX-License-Identifier: Apache-2.0
"""For tests: where things are, and Puppet run on them."""

import os
import pathlib
import subprocess
import sys

SOURCE = pathlib.Path(os.environ["KEYMEDIC_SOURCE_DIR"])
BIN = pathlib.Path(os.environ["KEYMEDIC_BIN_DIR"])
TARBALL = pathlib.Path(os.environ["KEYMEDIC_PUPPET_TARBALL"])
MODULE = TARBALL.parent / "keymedic"
PUPPET = SOURCE / "integrations/puppet"


def run(*command, stdin="", code=0, **options):
    """Runs to the end; an exit code that is not expected is a failure with what was written."""
    done = subprocess.run([str(word) for word in command], input=stdin, capture_output=True, text=True, check=False, **options)
    if code is not None and done.returncode != code:
        raise AssertionError(f"{' '.join(map(str, command))}: exit code {done.returncode}, not {code}\n"
                             f"{done.stdout}{done.stderr}")
    return done


def one_fact(vardir, seen_as=None):
    """Options of a Puppet that knows one fact: to find them all takes longer than the rest. `seen_as`: the folder where
    that Puppet runs."""
    facts = pathlib.Path(vardir) / "client_yaml/facts/machine.yaml"
    facts.parent.mkdir(parents=True)
    facts.write_text("--- !ruby/object:Puppet::Node::Facts\nname: machine\nvalues: {os: {family: Debian}}\n")
    return ["--vardir", seen_as or vardir, "--certname", "machine", "--facts_terminus", "yaml"]


def needed(*programs):
    for program in programs:
        if subprocess.run(["which", program], stdout=subprocess.DEVNULL, check=False).returncode != 0:
            sys.exit(f"{program} is missing; `./dev test` installs it")
