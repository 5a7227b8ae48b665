"""Run the blocks that stand on standard input, in this directory and one namespace, for `check_blocks`."""

import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path
from types import ModuleType

SETTINGS, DEFINITION = "# fireforget.toml", "# report.toml"

_MAKE = re.compile(r"((?:\w+=\S*\s+)*make)\b")


def run_python(source: str, place: str, root: Path, module: ModuleType) -> None:
    """Execute a block as if it were the main program; a traceback shows the lines of the page."""
    page, line = place.rsplit(":", 1)
    code = compile("\n" * int(line) + source, root / page, "exec", dont_inherit=True)
    exec(code, module.__dict__)  # noqa: S102 - running the pages' own code is the purpose


def run_toml(source: str) -> None:
    """Parse a block; settings and report definitions must load, and are left for the blocks that continue it."""
    tomllib.loads(source)
    first = source.splitlines()[0].strip()
    if first in {SETTINGS, DEFINITION}:
        from fireforget import load_settings  # noqa: PLC0415 - most runs load neither
        from fireforget.reporting import load  # noqa: PLC0415 - the same

        path = Path(first.removeprefix("# "))
        path.write_text(source, encoding="utf-8")
        load_settings(path) if first == SETTINGS else load(str(path))


def run_sh(commands: list[str], root: Path) -> None:
    """Execute each command; `make` only tells whether the target is there, in the repository's root."""
    for command in commands:
        make = _MAKE.match(command)
        line = f"{make[1]} -n{command[make.end() :]}" if make else command
        subprocess.run(["sh", "-ec", line], cwd=root if make else None, stdin=subprocess.DEVNULL, check=True)


def main() -> None:
    """Run the blocks in order; the first error is the end."""
    root = Path(sys.argv[1])
    steps = json.load(sys.stdin)
    module = sys.modules["__main__"] = ModuleType("__main__")
    for step in steps:
        match step["kind"]:
            case "python":
                run_python(step["source"], step["place"], root, module)
            case "toml":
                run_toml(step["source"])
            case "sh":
                run_sh(step["commands"], root)


if __name__ == "__main__":
    main()
