"""AWS for the tests: servers that stand in for it, and what clients need to speak to them."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import certifi
import pytest

from tests.counterparts import aws


@pytest.fixture(scope="session")
def counterparts() -> Iterator[dict[str, aws.Counterpart]]:
    """Those that run so far, by name; all end with the session."""
    with ExitStack() as stack:

        class Running(dict[str, aws.Counterpart]):
            def __missing__(self, name: aws.Name) -> aws.Counterpart:
                self[name] = stack.enter_context(aws.running(name))
                return self[name]

        yield Running()


@pytest.fixture
def ministack(counterparts: dict[str, aws.Counterpart], account: None) -> aws.Counterpart:
    """The first opinion."""
    return counterparts["ministack"]


@pytest.fixture
def moto(counterparts: dict[str, aws.Counterpart], account: None) -> aws.Counterpart:
    """The second opinion."""
    return counterparts["moto"]


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One certificate to trust: no server here has any, and each client would read the hundreds of the usual file."""
    end = "-----END CERTIFICATE-----\n"
    path = tmp_path_factory.mktemp("certificates") / "one.pem"
    path.write_text(certifi.contents().partition(end)[0] + end)
    return path


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch, certificate: Path) -> None:
    """Credentials and region of nobody's, and none of the developer's own."""
    for name in ("AWS_PROFILE", "AWS_REGION", "AWS_ENDPOINT_URL", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    monkeypatch.setenv("AWS_CA_BUNDLE", str(certificate))
    for name, value in aws.VARIABLES.items():
        monkeypatch.setenv(name, value)
