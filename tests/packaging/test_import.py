"""`import fireforget` is quick: what is heavy loads when it is first used."""

import json
import subprocess
import sys

HEAVY = {
    "asyncio",
    "click",
    "css_inline",
    "jinja2",
    "matplotlib",
    "maxminddb",
    "numpy",
    "opentelemetry",
    "rich",
    "sqlite3",
    "stamina",
    "trio",
    "ua_parser",
}


def test_the_start_loads_nothing_heavy() -> None:
    program = "import json, sys, fireforget; print(json.dumps(sorted(sys.modules)))"

    # Isolated, so that neither a plug-in of the shell nor of the user counts as ours.
    loaded = subprocess.run([sys.executable, "-I", "-c", program], check=True, capture_output=True, text=True)

    assert HEAVY & set(json.loads(loaded.stdout)) == set()


def test_the_pytest_plugin_loads_nothing_heavy() -> None:
    program = "import json, sys, fireforget.testing.plugin; print(json.dumps(sorted(sys.modules)))"

    loaded = subprocess.run([sys.executable, "-I", "-c", program], check=True, capture_output=True, text=True)

    heavy = {"hypothesis", "sqlite3", "trio", "fireforget.testing.capture", "fireforget.testing.conformance"}
    assert heavy & set(json.loads(loaded.stdout)) == set()
