"""The examples without a server, each in a process of its own: a script, and a session whose loop runs already."""

import json
from collections import Counter
from pathlib import Path

from tests.programs import Site, check_once
from tools.repository import ROOT

EXAMPLES = ROOT / "examples"

SCRIPT = """
import runpy, sys
del sys.argv[0]
runpy.run_path(sys.argv[0], run_name="__main__")
"""

SESSION = """
import ast, asyncio, inspect, json, sys

async def session(notebook):
    names = {"__name__": "__main__"}
    for cell in json.load(open(notebook))["cells"]:
        if cell["cell_type"] == "code":
            code = compile("".join(cell["source"]), cell["id"], "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
            running = eval(code, names)  # as IPython does: a cell with an await in it is a coroutine
            if inspect.iscoroutine(running):
                await running

asyncio.run(session(sys.argv[1]))
"""


def test_a_script(tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    (folder / "below").mkdir(parents=True)
    for name, content in {"a.txt": "one", "b.txt": "two", "below/a.txt": "one"}.items():
        (folder / name).write_text(content)
    site = Site(tmp_path, drain_seconds=30)

    site.run(SCRIPT, str(EXAMPLES / "script.py"), "folder")

    events = site.stored()
    assert len({event.id for event in events}) == len(events)
    assert Counter(event.type for event in events) == {"file": 3, "file.twice": 1, "list.written": 1}
    assert len({event.correlationid for event in events}) == 1
    assert [event.data for event in events if event.type == "file.twice"] == [
        {"path": "folder/below/a.txt", "same_as": "folder/a.txt"}
    ]
    assert [line.split()[1] for line in (tmp_path / "files.txt").read_text().splitlines()] == [
        "folder/a.txt",
        "folder/b.txt",
    ]


def test_a_script_without_a_folder_says_how_it_is_used(tmp_path: Path) -> None:
    site = Site(tmp_path)

    site.run(SCRIPT, str(EXAMPLES / "script.py"), code=1)

    assert site.stored() == []


def test_a_session_whose_loop_runs_already(tmp_path: Path) -> None:
    site = Site(tmp_path, drain_seconds=30)

    printed = site.run(SESSION, str(EXAMPLES / "notebook.ipynb"))

    events = site.stored()
    check_once(events, printed.split())
    assert Counter(event.type for event in events) == {"throw": 6, "throws.done": 1}
    assert [event.sessionid for event in events] == ["notebook"] * 6 + [None]
    assert site.journals() == []


def test_the_notebook_is_kept_without_output() -> None:
    cells = json.loads((EXAMPLES / "notebook.ipynb").read_text(encoding="utf-8"))["cells"]

    assert [cell for cell in cells if cell.get("outputs") or cell.get("execution_count")] == []
