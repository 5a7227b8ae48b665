"""Every error of the SDK is mapped once."""

import pytest

from fireforget.errors import AdapterError, PermanentError, TransientError
from fireforget_aws._errors import TRANSIENT, translated


def of_service(
    code: str,
    status: int = 400,
    headers: dict[str, str] | None = None,
    *,
    operation: str = "SendMessageBatch",
    told: str = "said so",
) -> AdapterError:
    from botocore.exceptions import ClientError

    answer = {
        "Error": {"Code": code, "Message": told},
        "ResponseMetadata": {"HTTPStatusCode": status, "HTTPHeaders": headers or {}},
    }
    with pytest.raises(AdapterError) as caught, translated():
        raise ClientError(answer, operation)  # type: ignore[arg-type]
    assert isinstance(caught.value.__cause__, ClientError)
    return caught.value


@pytest.mark.parametrize("code", sorted(TRANSIENT))
def test_what_passes_is_transient(code: str) -> None:
    assert isinstance(of_service(code), TransientError)


@pytest.mark.parametrize("status", [429, 500, 502, 503, 504])
def test_a_fault_of_the_service_is_transient_whatever_its_code(status: int) -> None:
    assert isinstance(of_service("SomethingNew", status), TransientError)


def test_a_hint_is_passed_on() -> None:
    error = of_service("ThrottlingException", headers={"retry-after": "7"})
    assert isinstance(error, TransientError)
    assert error.retry_after == 7.0


@pytest.mark.parametrize(
    ("code", "mend"),
    [
        ("QueueDoesNotExist", "fireforget provision"),
        ("ResourceNotFoundException", "fireforget provision"),
        ("AccessDeniedException", "permission"),
        ("UnrecognizedClientException", "credentials"),
    ],
)
def test_what_an_operator_can_mend_is_permanent_and_says_how(code: str, mend: str) -> None:
    error = of_service(code)
    assert isinstance(error, PermanentError)
    assert mend in str(error)


def test_a_table_of_another_kind_is_said_to_be_looked_at() -> None:
    assert "fireforget doctor" in str(of_service("ValidationException", operation="Query"))
    assert "fireforget doctor" not in str(of_service("ValidationException", operation="BatchWriteItem"))


@pytest.mark.parametrize(
    "name", ["ConnectTimeoutError", "ConnectionClosedError", "EndpointConnectionError", "ReadTimeoutError", "SSLError"]
)
def test_an_endpoint_that_cannot_be_reached_is_transient(name: str) -> None:
    from botocore import exceptions

    error = getattr(exceptions, name)(endpoint_url="http://127.0.0.1:1", error="said so")
    with pytest.raises(TransientError, match="127.0.0.1") as caught, translated():
        raise error
    assert caught.value.__cause__ is error


@pytest.mark.parametrize(
    "told", ["Signature expired: 20261130T1 is now earlier than 20261130T2", "Signature not yet current"]
)
def test_clocks_that_differ_are_no_fault_of_the_credentials(told: str) -> None:
    error = of_service("InvalidSignatureException", told=told)
    assert isinstance(error, TransientError)
    assert "set this machine's clock" in str(error)
    assert "credentials" not in str(error)


@pytest.mark.parametrize(
    ("code", "mend"), [("ExpiredTokenException", "renew those of a file"), ("RequestTimeTooSkewed", "clock")]
)
def test_what_may_pass_by_itself_says_the_mend_where_it_does_not(code: str, mend: str) -> None:
    error = of_service(code)
    assert isinstance(error, TransientError)
    assert mend in str(error)


def test_a_page_that_is_told_makes_no_page_of_a_log() -> None:
    error = of_service("", 403, told="<html>" + "x" * 10_000 + "\n" * 100)
    assert "\n" not in str(error)
    assert len(str(error)) < 1100
