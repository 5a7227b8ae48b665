"""What the backend of AWS says before it has called anything."""

import pytest

from fireforget import FireForget, Settings, SettingsError
from fireforget_aws import _backend


def test_without_the_sdk_an_application_fails_as_it_starts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_backend, "find_spec", lambda name: None)

    with pytest.raises(SettingsError, match="pip install 'fireforget\\[aws\\]'"):
        FireForget(Settings(backend="aws"))
