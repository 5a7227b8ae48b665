"""What holds for every test: examples that repeat, and none of the developer's own settings."""

import os

import hypothesis
import pytest

# The same examples on every run, so that a failure is the change's own; no deadline, since machines differ.
hypothesis.settings.register_profile("repeatable", derandomize=True, deadline=None)
hypothesis.settings.register_profile("exploring", deadline=None, max_examples=1000)
# A failure is all that is asked for, not the smallest one.
hypothesis.settings.register_profile("seeking", derandomize=True, deadline=None, phases=[hypothesis.Phase.generate])
hypothesis.settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))


@pytest.fixture(autouse=True)
def _default_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith("FIREFORGET_"):
            monkeypatch.delenv(name)
