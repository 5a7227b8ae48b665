"""Errors of the SDK, each mapped once: may the same call succeed later, or never?

What an operator can mend is permanent (no permission, no such queue, no credentials), and the message says the mend.
A code that is not known here is judged by the HTTP status: the service's fault is transient, ours is permanent.
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from fireforget.errors import AdapterError, PermanentError, TransientError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_SERVER_ERROR: Final = 500
_TOO_MANY: Final = 429

TRANSIENT: Final = frozenset(
    {
        # Throttled.
        "BandwidthLimitExceeded",
        "KmsThrottled",
        "KMS.ThrottlingException",
        "LimitExceededException",
        "OverLimit",
        "PriorRequestNotComplete",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestThrottledException",
        "SlowDown",
        "Throttled",
        "ThrottledException",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
        "TransactionInProgressException",
        # Down, or slow.
        "InternalError",
        "InternalFailure",
        "InternalServerError",
        "InternalServiceError",
        "RequestTimeout",
        "RequestTimeoutException",
        "ServiceUnavailable",
        "ServiceUnavailableException",
        # Credentials that the SDK renews by itself, and a clock that is being set.
        "ExpiredToken",
        "ExpiredTokenException",
        "RequestExpired",
        "RequestTimeTooSkewed",
        # Being made, or changed.
        "LimitExceeded",
        "ResourceInUseException",
        "TableInUseException",
        "AWS.SimpleQueueService.QueueDeletedRecently",
        "QueueDeletedRecently",
    }
)
"""Codes of the services that say: later."""

_NO_QUEUE: Final = (
    "there is no such queue: make it with 'fireforget provision', or mend its name (that of a FIFO queue ends in "
    ".fifo), region or account"
)
_NO_TABLE: Final = "there is no such table: make it with 'fireforget provision', or mend its name or region"
_NO_PERMISSION: Final = "give this role or user the permission"
_NO_ACCESS: Final = "mend the credentials (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, a profile, or a role)"

_OLD_ACCESS: Final = (
    "those of a role are renewed by themselves; renew those of a file, and start again where they are variables"
)
_CLOCK: Final = "set this machine's clock, which differs from that of AWS"

_NOT_VERIFIED: Final = (
    "verify the address of `sender` in [report], or its domain, in SES, in this region; in the sandbox, verify the "
    "recipients, too, or ask for production access"
)
_NO_SENDING: Final = "look at the account's status in the console of SES: it sends nothing until that is mended"

_OTHER_TABLE: Final = "is this table one of fireforget's? 'fireforget doctor' says so, and the mend"
_TABLE_CALLS: Final = frozenset({"PutItem", "Query", "UpdateItem"})
"""Their requests hold nothing of an event: what is invalid there is invalid for this table."""

_MENDS: Final = {
    "AccountSuspendedException": _NO_SENDING,
    "MailFromDomainNotVerifiedException": _NOT_VERIFIED,
    "MessageRejected": _NOT_VERIFIED,
    "NotFoundException": "make it, or mend its name or region in the URL",
    "SendingPausedException": _NO_SENDING,
    "AWS.SimpleQueueService.NonExistentQueue": _NO_QUEUE,
    "QueueDoesNotExist": _NO_QUEUE,
    "ResourceNotFoundException": _NO_TABLE,
    "AccessDenied": _NO_PERMISSION,
    "AccessDeniedException": _NO_PERMISSION,
    "ExpiredToken": _OLD_ACCESS,
    "ExpiredTokenException": _OLD_ACCESS,
    "InvalidClientTokenId": _NO_ACCESS,
    "InvalidSignatureException": _NO_ACCESS,
    "RequestExpired": _CLOCK,
    "RequestTimeTooSkewed": _CLOCK,
    "SignatureDoesNotMatch": _NO_ACCESS,
    "UnrecognizedClientException": _NO_ACCESS,
}


_QUOTED: Final = re.compile(r"(?i)[^\w]*(?:authorization[=:]|AWS4-HMAC|credential=|\b(?:AKIA|ASIA)[0-9A-Z]{8,}).*")
_MOST_TOLD: Final = 1000
"""Characters of what is told, at most: it may be a whole page."""
_SIGNED_AT: Final = ("Signature expired", "Signature not yet current")
"""How AWS begins where the clocks differ."""

_KMS: Final = ("Kms", "KMS.")
"""How the codes begin that tell of a queue's key."""


@contextmanager
def translated() -> Iterator[None]:
    """Turn what the SDK raises into an `AdapterError`, with the original as its cause."""
    from aiohttp import ClientError as ConnectionTrouble
    from botocore.exceptions import BotoCoreError, ClientError

    try:
        yield
    except ClientError as error:
        told = error.response.get("Error", {})
        told["Message"] = without_signature(told.get("Message") or "")
        error.args = (without_signature(str(error)),)
        raise _of_service(error.response, error.operation_name) from error
    except BotoCoreError as error:
        error.__cause__ = error.__context__ = None  # that of a proxy's failure holds its password
        raise _of_sdk(error) from error
    except (ConnectionTrouble, OSError, TimeoutError) as error:
        raise TransientError(f"AWS cannot be reached: {str(error) or type(error).__name__}") from error


def without_signature(text: str) -> str:
    """What a service says, without the request that it quotes where it does not accept a signature.

    The request holds the session token, the id of the key, and the signature. It begins with a line of its own; where
    a header is quoted, it is at the end.
    """
    return _QUOTED.sub(" ***", text.partition("\n")[0])[:_MOST_TOLD]


def code_of(error: AdapterError) -> str:
    """The service's own code for it; empty where it was not the service that refused."""
    response: Mapping[str, Any] = getattr(error.__cause__, "response", {})
    code: str = response.get("Error", {}).get("Code", "")
    return code


def blames_credentials(error: AdapterError) -> bool:
    """Whether other credentials may be what it takes: there were none, or they were not accepted."""
    from botocore import exceptions

    missing = (exceptions.NoCredentialsError, exceptions.PartialCredentialsError)
    return isinstance(error.__cause__, missing) or _MENDS.get(code_of(error)) in {_NO_ACCESS, _OLD_ACCESS}


def _of_service(response: Mapping[str, Any], operation: str) -> AdapterError:
    """What a service answered."""
    code: str = response.get("Error", {}).get("Code", "")
    told: str = response.get("Error", {}).get("Message", "")
    metadata: Mapping[str, Any] = response.get("ResponseMetadata", {})
    status: int = metadata.get("HTTPStatusCode", 0)
    text = f"{operation}: {code or status}{': ' if told else ''}{told}"
    if told.startswith(_SIGNED_AT):
        return TransientError(f"{text}; {_CLOCK}")
    mend = _OTHER_TABLE if code == "ValidationException" and operation in _TABLE_CALLS else _MENDS.get(code)
    text = f"{text}; {mend}" if mend else text
    if code in TRANSIENT or status >= _SERVER_ERROR or status == _TOO_MANY:
        return TransientError(text, retry_after=_hint(metadata.get("HTTPHeaders", {})))
    return PermanentError(text)


def of_entry(entry: Mapping[str, Any]) -> AdapterError:
    """What a service answered of one entry of a batch, which as a whole was taken."""
    code: str = entry.get("Code", "")
    text = f"{code}: {entry.get('Message') or 'no reason given'}"
    if code in TRANSIENT or not entry.get("SenderFault"):
        return TransientError(text)
    mend = _MENDS.get(code)
    return PermanentError(f"{text}; {mend}" if mend else text)


def mendable(code: str) -> bool:
    """Whether an operator can mend what the code tells of, so that the same message is taken then."""
    return code in _MENDS or code.startswith(_KMS)


def _of_sdk(error: Exception) -> AdapterError:
    """What went wrong before there was an answer."""
    from botocore import exceptions

    match error:
        case exceptions.NoCredentialsError() | exceptions.PartialCredentialsError():
            return PermanentError(f"{error}; {_NO_ACCESS}")
        case exceptions.NoRegionError():
            return PermanentError("no AWS region is given: write ?region=eu-west-2 into the URL, or set AWS_REGION")
        case exceptions.ProfileNotFound():
            return PermanentError(
                f"{error}: mend profile in the URL or AWS_PROFILE, or add it to the AWS configuration"
            )
        case (
            exceptions.ConnectionError()
            | exceptions.HTTPClientError()
            | exceptions.CredentialRetrievalError()
            | exceptions.MetadataRetrievalError()
            | exceptions.EventStreamError()
            | exceptions.ChecksumError()
            | exceptions.IncompleteReadError()
        ):
            return TransientError(str(error))
    return PermanentError(f"{type(error).__name__}: {error}")


def _hint(headers: Mapping[str, str]) -> float | None:
    """Seconds that the service asks to wait, where it says so in seconds."""
    given = headers.get("retry-after", "")
    return float(given) if given.isdecimal() else None
