"""A plain script: it says how large the files of a folder are, and whether two of them are the same.

python script.py FOLDER

No server, no loop: what it has emitted is delivered when it ends.
"""

import sys
from hashlib import file_digest
from pathlib import Path

import anyio

from fireforget import FireForget, current_context

ff = FireForget()


async def write_list(digests: dict[str, Path]) -> None:
    """Write down what there is. The script does not wait for it, its end does."""
    lines = [f"{digest}  {path}\n" for digest, path in digests.items()]
    await anyio.Path("files.txt").write_text("".join(lines), encoding="utf-8")
    ff.emit("list.written", {"lines": len(lines)})


def survey(folder: Path) -> None:
    """Emit one event for each file, and one for each that is there twice."""
    digests: dict[str, Path] = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        with path.open("rb") as file:
            digest = file_digest(file, "sha256").hexdigest()
        ff.emit("file", {"path": path, "bytes": path.stat().st_size})
        if digest in digests:
            ff.emit("file.twice", {"path": path, "same_as": digests[digest]})
        digests.setdefault(digest, path)
    current_context().wait_until(write_list(digests))


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("usage: python script.py FOLDER")
    with ff.context():  # so that the events of one run belong together
        survey(Path(sys.argv[1]))
