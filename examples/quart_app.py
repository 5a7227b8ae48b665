"""Quart: short links that count who follows them.

uvicorn quart_app:app
"""

from collections import Counter

from quart import Quart, abort, redirect, request
from quart.typing import ResponseReturnValue

from fireforget import FireForget, current_context

LINKS = {"asgi": "https://asgi.readthedocs.io/", "cloudevents": "https://cloudevents.io/"}

ff = FireForget()
site = Quart(__name__)
followed: Counter[str] = Counter()


@site.before_request
async def name_parameters() -> None:
    """Tell which parts of the path are parameters: then the route of ``http.request`` is ``/{name}``."""
    request.scope["path_params"] = request.view_args  # type: ignore[typeddict-unknown-key]  # a scope may hold more


async def count(name: str) -> None:
    """Count a visit once the visitor is on the way."""
    followed[name] += 1
    if followed[name] == 2:
        ff.emit("link.popular", {"name": name})


@site.get("/<name>")
async def follow(name: str) -> ResponseReturnValue:
    """Send the visitor on."""
    target = LINKS.get(name)
    ff.emit("visit", {"name": name, "known": target is not None, "referrer": request.referrer})
    if target is None:
        abort(404)
    current_context().wait_until(count(name), start="after_response")
    return redirect(target)


app = ff.wrap(site)
