"""The files of a repository, and its Markdown pages."""

import subprocess
from pathlib import Path

from markdown_it import MarkdownIt
from markdown_it.token import Token

ROOT = Path(__file__).resolve().parent.parent


def files(*patterns: str, root: Path = ROOT) -> list[Path]:
    """Return what git tracks, or would; given patterns (`docs/**/*.md`), what matches one of them."""
    specs = [f":(glob){pattern}" for pattern in patterns]
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--", *specs],
        cwd=root,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    paths = {root / name for name in listing.split("\0") if name}
    return sorted(path for path in paths if path.is_file())


def tokens(page: Path) -> list[Token]:
    """Return the block tokens of a page; an inline token holds its own as `children`."""
    return MarkdownIt("commonmark").enable("table").parse(page.read_text(encoding="utf-8"))
