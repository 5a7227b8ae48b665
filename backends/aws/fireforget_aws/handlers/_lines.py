"""What a function logs: one JSON object a line."""

from __future__ import annotations

import json
import logging
import os
import traceback
from datetime import UTC, datetime
from typing import Any, Final

_logger: Final = logging.getLogger("fireforget")

_FORMAT: Final = "AWS_LAMBDA_LOG_FORMAT"
_LEVEL: Final = "AWS_LAMBDA_LOG_LEVEL"
"""Lambda's own variables ("Configuring advanced logging controls")."""

_OWN: Final = {*vars(logging.makeLogRecord({})), "asctime", "message", "aws_request_id", "tenant_id", "taskName"}
"""What records have anyway; the rest was given as ``extra``."""


class JsonLines(logging.Formatter):
    """Formats records as Lambda's own JSON format does, with the same names, so that one query reads both.

    Attributes:
        request_id: Of the invocation that runs.
    """

    request_id = ""

    def format(self, record: logging.LogRecord) -> str:
        """One line, its end included: Lambda's handler adds none."""
        line: dict[str, Any] = {
            "timestamp": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "message": record.getMessage(),
            "logger": record.name,
            "requestId": self.request_id,
        }
        if record.exc_info and record.exc_info[0] is not None:
            kind, error, trace = record.exc_info
            line |= {"errorType": kind.__name__, "errorMessage": str(error), "stackTrace": traceback.format_tb(trace)}
        line |= {name: value for name, value in vars(record).items() if name not in _OWN and not name.startswith("_")}
        return json.dumps(line, default=str) + "\n"


def write_json_lines(lines: JsonLines) -> None:
    """Have everything logged as JSON, unless somebody has chosen how to log.

    Where Lambda's own JSON format is set, it stays; so do handlers that are not Lambda's. What fireforget has to say is
    logged from INFO on, unless a level is set.
    """
    root = logging.getLogger()
    if _LEVEL not in os.environ and _logger.level == logging.NOTSET:
        _logger.setLevel(logging.INFO)
    if os.environ.get(_FORMAT, "").upper() == "JSON":
        return
    if not root.handlers:
        handler = logging.StreamHandler()
        handler.terminator = ""
        handler.setFormatter(lines)
        root.addHandler(handler)
    for known in root.handlers:
        if type(known).__name__.startswith("LambdaLoggerHandler"):
            known.setFormatter(lines)
