"""Stands where the Lambda Web Adapter does: the runtime, which passes each invocation on to a web server.

``python -m tests.counterparts.web_adapter <port> <command of the server> ...``. As the adapter does, it asks for the
first invocation when the server answers a health check, and tells the context of each invocation in a header.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from http.client import HTTPConnection
from typing import Final

import httpx

from tests.waiting import wait_for

_RUNTIME: Final = "/2018-06-01/runtime/invocation/"


def main(port: int, command: list[str]) -> None:
    """Serve invocations until killed."""
    with subprocess.Popen(command), httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=None) as server:
        wait_for(lambda: _is_ready(server))
        api = HTTPConnection(os.environ["AWS_LAMBDA_RUNTIME_API"])
        while True:
            api.request("GET", f"{_RUNTIME}next")
            response = api.getresponse()
            event, told = json.loads(response.read()), response.headers
            context = {
                "request_id": told["Lambda-Runtime-Aws-Request-Id"],
                "deadline": int(told["Lambda-Runtime-Deadline-Ms"]),
                "invoked_function_arn": told["Lambda-Runtime-Invoked-Function-Arn"],
                "xray_trace_id": told["Lambda-Runtime-Trace-Id"],
            }
            answer = server.post("/", json=event, headers={"x-amzn-lambda-context": json.dumps(context)})
            api.request("POST", f"{_RUNTIME}{context['request_id']}/response", answer.content)
            api.getresponse().read()


def _is_ready(server: httpx.Client) -> bool:
    try:
        server.get("/")
    except httpx.TransportError:
        return False
    return True


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2:])
