"""Check that every relative link of a page leads to a file of the repository, its anchor to a heading."""

import re
import sys
from collections import Counter
from collections.abc import Iterator
from functools import cache
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

from tools import repository

_INCLUDE = "{include} "


class _Html(HTMLParser):
    """The links and the anchors of a piece of HTML within a page."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.anchors: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:  # noqa: ARG002 - its name
        for name, value in attrs:
            if value and name in {"href", "src"}:
                self.links.append(value)
            elif value and name in {"id", "name"}:
                self.anchors.append(value)


def links(page: Path) -> Iterator[tuple[int, str]]:
    """Yield the line (of the paragraph it stands in) and the target of each link and image of a page."""
    for token in repository.tokens(page):
        line = token.map[0] + 1 if token.map else 0
        for part in [token, *(token.children or [])]:
            if part.type in {"html_block", "html_inline"}:
                yield from ((line, link) for link in _Html(part.content).links)
            elif part.type in {"link_open", "image"}:
                yield line, str(part.attrGet("href") or part.attrGet("src") or "")


@cache
def anchors(page: Path) -> frozenset[str]:
    """Return what a link may name after `#`: headings as code hosts spell them, explicit and included ones."""
    found: set[str] = set()
    repeats: Counter[str] = Counter()
    tokens = repository.tokens(page)
    for before, token in zip([None, *tokens], tokens, strict=False):
        if token.info.startswith(_INCLUDE) and (included := page.parent / token.info.removeprefix(_INCLUDE)).is_file():
            found |= anchors(included.resolve())
        for part in [token, *(token.children or [])]:
            if part.type in {"html_block", "html_inline"}:
                found.update(_Html(part.content).anchors)
        if before is not None and before.type == "heading_open":
            words = [part.content for part in token.children or [] if part.type in {"text", "code_inline"}]
            slug = re.sub(r"[^\w\- ]", "", "".join(words).strip().lower()).replace(" ", "-")
            found.add(f"{slug}-{repeats[slug]}" if repeats[slug] else slug)
            repeats[slug] += 1
    return frozenset(found)


def fault(page: Path, link: str, known: frozenset[Path]) -> str | None:
    """Say what is wrong with a link of a page, or None; `known` are the files and folders it may lead to."""
    parts = urlsplit(link)
    if parts.scheme or parts.netloc:
        return None
    if parts.path.startswith("/"):
        return "is not relative"
    target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
    if target not in known:
        return "leads to nothing in the repository"
    if parts.fragment and target.suffix == ".md" and unquote(parts.fragment) not in anchors(target):
        return "names no heading of its page"
    return None


def main(root: Path = repository.ROOT) -> int:
    """Print each broken link, then the count; return the exit code."""
    files = repository.files(root=root)
    pages = [path for path in files if path.suffix == ".md"]
    known = frozenset(files) | {root / folder for path in files for folder in path.relative_to(root).parents}
    checked = broken = 0
    for page in pages:
        for line, link in links(page):
            checked += 1
            if problem := fault(page, link, known):
                broken += 1
                print(f"{page.relative_to(root)}:{line}: {link} {problem}")
    print(f"{checked} links on {len(pages)} pages: {broken} broken")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
