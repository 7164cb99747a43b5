# SPDX-License-Identifier: Apache-2.0
"""Code blocks of the project's Markdown pages, and what the test is told about each.

Behind the language a block may say more, which no reader sees:

    ```sh run                run it; see docs_test.py for the other words
    ```python file=a.py      it is this file
"""

import dataclasses
import re

FENCE = re.compile(r"^ {0,3}```(.*)$")


@dataclasses.dataclass
class Block:
    page: str
    line: int  # of its first line of code
    language: str
    words: dict  # {"run": "", "file": "estate.py"}
    text: str
    heading: str

    def __str__(self):
        return f"{self.page}:{self.line}"


def blocks(path):
    found, block, heading = [], None, ""
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        fence = FENCE.match(line)
        if block is None and fence:
            language, *words = fence.group(1).split() or [""]
            words = dict(word.partition("=")[::2] for word in words)
            block = Block(path.name, number + 1, language, words, "", heading)
        elif block is not None and fence:
            found.append(block)
            block = None
        elif block is not None:
            block.text += line + "\n"
        elif line.startswith("#"):
            heading = line.lstrip("#").strip()
    if block is not None:
        raise ValueError(f"{block}: this block does not end")
    return found


def differs(expected, real):
    """Where two texts are not the same, or nothing. `…` in the first stands for anything in a line."""
    expected, real = expected.rstrip().splitlines(), real.rstrip().splitlines()
    for wanted, got in zip(expected, real):
        pattern = ".*".join(re.escape(part) for part in wanted.rstrip().split("…"))
        if not re.fullmatch(pattern, got.rstrip()):
            return f"the page says  {wanted}\nit prints      {got}"
    if len(expected) != len(real):
        return f"the page has {len(expected)} lines, it prints {len(real)}:\n" + "\n".join(real)
    return ""
