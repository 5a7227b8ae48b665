"""FastAPI: a catalogue of books that learns what its readers look for, and what they do not find.

uvicorn fastapi_app:app
"""

from pathlib import Path

import anyio
import msgspec
from fastapi import FastAPI

from fireforget import FireForget, current_context, event_type

TITLES = ("Middlemarch", "Moby-Dick", "North and South", "The Moonstone", "Villette")
WISHES = Path("wishes.txt")


@event_type("search")
class Search(msgspec.Struct):
    """What somebody looked for, and how many books it found."""

    text: str
    hits: int


ff = FireForget()
api = FastAPI(title="Catalogue")


async def wish_for(text: str) -> None:
    """Note what is missing. The reader has the answer long before the disk has the note."""
    async with await anyio.open_file(WISHES, "a", encoding="utf-8") as wishes:
        await wishes.write(f"{text}\n")
    ff.emit("wish", {"text": text})


@api.get("/books")
async def books(q: str) -> list[str]:
    """The titles with these words in them."""
    found = [title for title in TITLES if q.casefold() in title.casefold()]
    ff.emit(Search(q, len(found)))
    if not found:
        current_context().wait_until(wish_for(q), start="after_response")
    return found


app = ff.wrap(api)
