"""Run the code blocks of the pages, so that what a reader copies works.

`python` blocks are executed. `toml` blocks are parsed, and one that begins with the line `# fireforget.toml`
is loaded as settings, which are those of the blocks that continue it; with `# report.toml` it is loaded as a report
definition. `sh` and `console` blocks may hold `fireforget` commands, which are executed, and `make` commands, which
are tried with `make -n`: the target is there, but is not made. The output that a `console` block shows is not
compared. Blocks in other languages are counted and left alone.

Every block starts in an empty directory with an empty namespace and has a minute. A comment right before the
block changes that:

    <!-- continue -->         it goes on in the directory and the namespace of the block before it
    <!-- skip: reason -->     it is not run, for a reason that the next author can judge
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tools import repository

PAGES = ("README.md", "docs/**/*.md", "backends/**/*.md", "examples/**/README.md")
RUNNER = Path(__file__).with_name("run_blocks.py")
SECONDS = 60
SHELL = {"sh", "bash", "shell", "console"}

_MARK = re.compile(r"<!--\s*(?P<word>skip|continue)\b:?\s*(?P<reason>.*?)\s*-->", re.DOTALL)
_VARIABLE = re.compile(r"\w+=")


class PageError(Exception):
    """A block that cannot be run as it stands."""


@dataclass(frozen=True)
class Block:
    """A fenced block: where it stands, what it holds, and how the comment before it marks it."""

    place: str
    language: str
    source: str
    mark: str

    @property
    def commands(self) -> list[str]:
        """The lines that a shell is given: those after a prompt where the block shows prompts, else all."""
        lines = self.source.replace("\\\n", " ").splitlines()
        if any(line.startswith("$ ") for line in lines):
            lines = [line.removeprefix("$ ") for line in lines if line.startswith("$ ")]
        return [line for line in lines if line.strip() and not line.startswith("#")]

    @property
    def kind(self) -> str:
        """How it is treated: `skip`, `python`, `toml`, `sh`, or `other`."""
        if self.mark == "skip":
            return "skip"
        if self.language in {"python", "py"}:
            return "python"
        if self.language in SHELL:
            return "sh"
        return "toml" if self.language == "toml" else "other"


def blocks(page: Path, root: Path) -> Iterator[Block]:
    """Yield the fenced blocks of a page, in order."""
    mark = ""
    for token in repository.tokens(page):
        place = f"{page.relative_to(root)}:{token.map[0] + 1 if token.map else 0}"
        if token.type == "fence":
            yield Block(place, token.info.partition(" ")[0], token.content, mark)
            mark = ""
        elif mark:
            raise PageError(f"{place}: «{mark}» was said of this, which is no fenced block")
        elif token.type == "html_block" and (match := _MARK.fullmatch(token.content.strip())):
            mark = match["word"]
            if (mark == "skip") != bool(match["reason"]):
                raise PageError(f"{place}: «skip» needs a reason, and «continue» takes none")
    if mark:
        raise PageError(f"{page.relative_to(root)}: «{mark}» was said of nothing")


def chains(found: Iterable[Block]) -> Iterator[list[Block]]:
    """Yield the blocks that are to be run, those together that continue each other."""
    chain: list[Block] = []
    for block in found:
        if block.kind in {"skip", "other"}:
            continue
        if block.kind == "sh":
            _refuse_strangers(block)
        if block.mark != "continue":
            if chain:
                yield chain
            chain = []
        elif not chain:
            raise PageError(f"{block.place}: there is nothing to continue")
        chain.append(block)
    if chain:
        yield chain


def run(chain: list[Block], root: Path) -> str:
    """Run blocks one after another in one process and directory; return what went wrong, or nothing."""
    steps = [
        {"place": block.place, "kind": block.kind, "source": block.source, "commands": block.commands}
        for block in chain
    ]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as directory:
        try:
            subprocess.run(
                [sys.executable, "-P", RUNNER, root],
                input=json.dumps(steps).encode(),
                cwd=directory,
                env=_environment(root),
                timeout=SECONDS * len(chain),
                check=True,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )
        except subprocess.CalledProcessError as error:
            return f"{chain[0].place}: failed\n{error.stdout.decode(errors='replace')}"
        except subprocess.TimeoutExpired as error:
            return f"{chain[0].place}: did not end in time\n{(error.stdout or b'').decode(errors='replace')}"
    return ""


def main(root: Path = repository.ROOT) -> int:
    """Run the blocks of all pages; print what failed, then the count; return the exit code."""
    pages = repository.files(*PAGES, root=root)
    failures: list[str] = []
    counts: Counter[str] = Counter()
    todo: list[list[Block]] = []
    for page in pages:
        try:
            found = list(blocks(page, root))
            todo += chains(found)
            counts.update(block.kind for block in found)
        except PageError as error:
            failures.append(str(error))
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        failures += filter(None, pool.map(lambda chain: run(chain, root), todo))
    for failure in failures:
        print(failure)
    print(
        f"{counts.total()} blocks on {len(pages)} pages: {counts['python']} of Python and {counts['sh']} of "
        f"commands run, {counts['toml']} of TOML loaded, {counts['skip']} skipped with a reason, "
        f"{counts['other']} in other languages; {len(failures)} failed"
    )
    return 1 if failures else 0


def _refuse_strangers(block: Block) -> None:
    """Refuse a block with a command that is neither `make` nor `fireforget`."""
    for command in block.commands:
        program = next((word for word in command.split() if not _VARIABLE.match(word)), "")
        if program not in {"make", "fireforget"}:
            raise PageError(f"{block.place}: «{command}» is not run here; mark the block with «skip» and why")


def _environment(root: Path) -> dict[str, str]:
    """Return the environment of a reader: these programs and examples, and no settings."""
    ours = ("FIREFORGET_", "MAKE", "MFLAGS", "PYTHON")
    programs = [str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)]
    kept = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    return kept | {"PATH": os.pathsep.join(programs), "PYTHONPATH": str(root)}


if __name__ == "__main__":
    sys.exit(main())
