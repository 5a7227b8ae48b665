"""Lambda's own runtime client finds the handlers, calls them, and can write down what they answer."""

from __future__ import annotations

import pytest
from awslambdaric import bootstrap

from fireforget._configuration import settings_from
from fireforget.processing import make_function
from fireforget_aws.handlers import processor, reporter
from tests.counterparts.invocations import Invoked, event_of
from tests.pipeline import unused_name


@pytest.mark.parametrize("module", [processor, reporter], ids=["processor", "reporter"])
def test_it_finds_them_by_the_names_in_the_readme(module: object) -> None:
    assert bootstrap._get_handler(f"{module.__name__}.handler") is module.handler  # type: ignore[attr-defined]


def test_it_can_write_down_the_answer() -> None:
    name = unused_name()
    settings = settings_from({"queue": f"memory://{name}", "store": f"memory://{name}"})
    handler = processor.ProcessorHandler(lambda: make_function(settings))
    assert bootstrap.to_json(handler(event_of(), Invoked())) == '{"batchItemFailures": []}'
    handler.close()
