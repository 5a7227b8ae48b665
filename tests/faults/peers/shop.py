"""The shop, with the library and towards the sink that the environment names."""

from __future__ import annotations

import os
from typing import Any

from tests.faults.peers.libraries import LIBRARIES

(library,) = (each for each in LIBRARIES if each.name == os.environ["LIBRARY"])
wired = library.wire(os.environ["SINK"])


async def shop(scope: Any, receive: Any, send: Any) -> None:
    """Record the mark that is the path."""
    assert scope["type"] == "http"
    wired.track(scope["path"][1:])
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body"})


app = wired.wrap(shop)
