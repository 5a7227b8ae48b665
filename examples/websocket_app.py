"""A WebSocket: a word is sent, its spelling comes back. All events of a connection belong together.

uvicorn websocket_app:app
"""

from difflib import get_close_matches

from starlette.applications import Starlette
from starlette.routing import WebSocketRoute
from starlette.websockets import WebSocket

from fireforget import FireForget, current_context

WORDS = ("ambulance", "journal", "necessary", "queue", "rhythm", "separate")

ff = FireForget()


async def conclude(words: int, known: int) -> None:
    """Sum the connection up. It is closed by then, maybe because the client has vanished."""
    ff.emit("spelling.finished", {"words": words, "known": known})


async def spell(websocket: WebSocket) -> None:
    """Answer each word with those that it may be meant to be."""
    await websocket.accept()
    words = known = 0
    try:
        async for word in websocket.iter_text():
            words += 1
            known += word in WORDS
            ff.emit("spelling", {"word": word, "known": word in WORDS})
            await websocket.send_json(get_close_matches(word, WORDS))
    finally:
        current_context().wait_until(conclude(words, known))


app = ff.wrap(Starlette(routes=[WebSocketRoute("/spell", spell)]))
