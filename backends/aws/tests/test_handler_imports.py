"""What each function loads while Lambda starts it: all that it needs, and nothing that only the other does."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from tests.counterparts import aws

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


def test_on_lambda_the_processor_is_ready_when_it_is_loaded() -> None:
    program = (
        "import sys; sys.modules['httpx'] = None; from fireforget_aws.handlers.processor import handler; "
        "print(handler._function is not None, handler._function._roles.store._client is not None, "
        f"sorted({HEAVY} & set(sys.modules)))"
    )
    variables = aws.VARIABLES | {
        "AWS_ENDPOINT_URL": aws.NOWHERE,
        "AWS_LAMBDA_FUNCTION_NAME": "processor",
        "FIREFORGET_BACKEND": "aws",
        "FIREFORGET_NAME": "shop",
    }

    ready = subprocess.run(
        [sys.executable, "-I", "-c", program], check=True, capture_output=True, text=True, env=variables
    )

    assert ready.stdout == "True True ['aiobotocore', 'fireforget.processing', 'opentelemetry']\n"


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
