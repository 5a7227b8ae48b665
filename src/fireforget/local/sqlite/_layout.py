"""The layout of the file: its tables, and the triggers that keep the queue's lanes true.

All moments are microseconds since 1970 UTC.

Queue. `messages` are what was published, in the order of ``seq``, and never change. `deliveries` say what became of
those that were handed out at least once: from ``since`` to ``due_at`` they are under lease or delayed. A key that has
messages is a lane; `lanes.ready_at` is the moment from which its oldest message may be handed out, so that a receiver
looks at the lanes that are ready and at nothing else, however long the backlog. The triggers alone write `lanes`, until
the clock steps back: the queue then begins anew every wait that has not begun yet by the clock.
To settle a message is to write its id into `settled`, which also remembers it against a second publication.

Store. Correlation ids are UUIDv7, so the text order of the primary key is the order of time, and a request's events are
neighbours.
"""

from __future__ import annotations

from typing import Final

from fireforget.local._limits import DEDUPLICATION_SECONDS

VERSION: Final = 1
"""Of the layout below, as `PRAGMA user_version` keeps it. A changed layout raises it and says how to get there."""

APPLICATION: Final = 0x66_66_6F_72
"""Marks the file as ours, as `PRAGMA application_id` keeps it."""

_QUEUE: Final = (
    """
    CREATE TABLE messages (
        seq INTEGER PRIMARY KEY AUTOINCREMENT, -- never used twice: receipts are made of it
        id TEXT NOT NULL UNIQUE,
        key TEXT NOT NULL,
        count INTEGER NOT NULL,
        published_at INTEGER NOT NULL,
        body TEXT NOT NULL
    )
    """,
    "CREATE INDEX messages_by_key ON messages (key, seq)",
    """
    CREATE TABLE deliveries (
        seq INTEGER PRIMARY KEY,
        key TEXT NOT NULL,
        attempts INTEGER NOT NULL,
        since INTEGER NOT NULL,
        due_at INTEGER NOT NULL,
        leased INTEGER NOT NULL
    )
    """,
    "CREATE INDEX deliveries_by_key ON deliveries (key, due_at)",
    "CREATE TABLE lanes (key TEXT PRIMARY KEY, ready_at INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE UNIQUE INDEX lanes_by_time ON lanes (ready_at, key)",
    "CREATE TABLE settled (id TEXT PRIMARY KEY, at INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE INDEX settled_by_time ON settled (at)",
    # A lane waits for its oldest message, and for every live lease: an ordered key has one consumer at a time.
    """
    CREATE VIEW lane_times AS SELECT
        key,
        max(
            coalesce((
                SELECT due_at FROM deliveries
                WHERE seq = (SELECT min(seq) FROM messages WHERE key = lanes.key)
            ), 0),
            coalesce((SELECT max(due_at) FROM deliveries WHERE key = lanes.key AND leased), 0)
        ) AS ready_at
    FROM lanes
    """,
    f"""
    CREATE TRIGGER known_message BEFORE INSERT ON messages
    WHEN EXISTS (
        SELECT 1 FROM settled WHERE id = NEW.id AND at > NEW.published_at - {DEDUPLICATION_SECONDS}000000
    ) BEGIN
        SELECT raise(IGNORE);
    END
    """,  # noqa: S608 - the number is ours
    """
    CREATE TRIGGER new_message AFTER INSERT ON messages BEGIN
        INSERT INTO lanes (key, ready_at) VALUES (NEW.key, NEW.published_at) ON CONFLICT DO NOTHING;
    END
    """,
    """
    CREATE TRIGGER first_delivery AFTER INSERT ON deliveries BEGIN
        UPDATE lanes SET ready_at = (SELECT ready_at FROM lane_times WHERE key = NEW.key) WHERE key = NEW.key;
    END
    """,
    """
    CREATE TRIGGER changed_delivery AFTER UPDATE ON deliveries BEGIN
        UPDATE lanes SET ready_at = (SELECT ready_at FROM lane_times WHERE key = NEW.key) WHERE key = NEW.key;
    END
    """,
    """
    CREATE TRIGGER settled_message AFTER INSERT ON settled BEGIN
        DELETE FROM messages WHERE id = NEW.id;
    END
    """,
    # The lane goes to the back of the line: its next message was never handed out, so its own time would be 0.
    """
    CREATE TRIGGER gone_message AFTER DELETE ON messages BEGIN
        DELETE FROM deliveries WHERE seq = OLD.seq;
        DELETE FROM lanes WHERE key = OLD.key AND NOT EXISTS (SELECT 1 FROM messages WHERE key = OLD.key);
        UPDATE lanes SET ready_at = max(
            (SELECT ready_at FROM lane_times WHERE key = OLD.key),
            (SELECT at FROM settled WHERE id = OLD.id)
        ) WHERE key = OLD.key;
    END
    """,
)

_DEAD_LETTERS: Final = (
    """
    CREATE TABLE dead_letters (
        seq INTEGER PRIMARY KEY,
        id TEXT NOT NULL UNIQUE,
        key TEXT NOT NULL,
        count INTEGER NOT NULL,
        attempts INTEGER NOT NULL,
        died_at INTEGER NOT NULL,
        reason TEXT NOT NULL,
        body TEXT NOT NULL
    )
    """,
)

_STORE: Final = (
    """
    CREATE TABLE events (
        correlationid TEXT NOT NULL,
        id TEXT NOT NULL,
        type TEXT NOT NULL,
        sessionid TEXT,
        expires_at INTEGER,
        body TEXT NOT NULL, -- CloudEvents JSON
        PRIMARY KEY (correlationid, id)
    ) WITHOUT ROWID
    """,
    "CREATE INDEX events_by_session ON events (sessionid) WHERE sessionid IS NOT NULL",
    "CREATE INDEX events_by_expiry ON events (expires_at) WHERE expires_at IS NOT NULL",
    "CREATE TABLE claims (key TEXT PRIMARY KEY, holder TEXT NOT NULL, until INTEGER NOT NULL) WITHOUT ROWID",
)

STATEMENTS: Final = (
    *_QUEUE,
    *_DEAD_LETTERS,
    *_STORE,
    f"PRAGMA application_id = {APPLICATION}",
    f"PRAGMA user_version = {VERSION}",
)
