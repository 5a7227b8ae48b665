"""What each function loads while Lambda starts it: all that it needs, and nothing that only the other does."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

HEAVY = {
    "PIL",
    "aioboto3",
    "aiobotocore",
    "boto3",
    "click",
    "css_inline",
    "fireforget._dispatcher",
    "fireforget.cli",
    "fireforget.local",
    "fireforget.operations",
    "fireforget.processing",
    "fireforget.reporting",
    "fireforget.testing",
    "jinja2",
    "matplotlib",
    "matplotlib.pyplot",
    "maxminddb",
    "numpy",
    "opentelemetry",
    "rich",
    "sqlite3",
    "stamina",
    "trio",
    "types_aiobotocore_sqs",
    "ua_parser",
}


@pytest.mark.parametrize(
    ("name", "loads"),
    [
        ("processor", {"aiobotocore", "fireforget.processing"}),
        (
            "reporter",
            {"PIL", "aiobotocore", "css_inline", "fireforget.reporting", "jinja2", "matplotlib", "numpy"},
        ),
    ],
)
def test_a_function_loads_what_it_needs_and_nothing_else(name: str, loads: set[str]) -> None:
    """Without httpx, which no function needs, and which aiobotocore would load with all of its own."""
    program = (
        "import json, sys; sys.modules['httpx'] = None; "
        f"import fireforget_aws.handlers.{name}; print(json.dumps(sorted(sys.modules)))"
    )

    loaded = subprocess.run([sys.executable, "-I", "-c", program], check=True, capture_output=True, text=True)

    assert HEAVY & set(json.loads(loaded.stdout)) == loads
