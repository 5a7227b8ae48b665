"""AWS: queues of SQS, tables of DynamoDB, mail by SES, and the functions and the host of Lambda."""

from __future__ import annotations

from typing import Final

from fireforget_aws._backend import AwsBackend

__all__ = ["AwsBackend", "backend"]

backend: Final = AwsBackend()
"""What the entry points name."""
