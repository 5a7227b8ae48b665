"""The embedded backend: one SQLite file holds the queue and the store, and a directory or a mail server takes mail.

=================================  ============  ==================================================================
URL                                role          what it names
=================================  ============  ==================================================================
``sqlite:///data/app.db``          queue, store  a file, relative to the directory the process started in
``sqlite:////var/lib/app.db``      queue, store  a file by its absolute path (four slashes)
``memory://name``                  queue, store  state of this process, shared by all adapters of that name
``file:///var/lib/app/mail``       mailer        a directory by its absolute path (three slashes, as RFC 8089 has it)
``smtp://user:password@host:587``  mailer        a mail server
=================================  ============  ==================================================================

In a path and in user and password, ``%`` and two hex digits stand for any other character. Options follow a ``?``:

- ``synchronous=normal`` (the default) or ``full``, for ``sqlite``. Either way what was delivered or put survives the
  death of the process. ``normal`` can lose the last transactions, never more and never the file, when the power is
  cut or the kernel dies; ``full`` waits for the disk at every commit and loses none, at a fraction of the speed.
- ``tls=starttls`` (the default), ``implicit`` or ``none``, for ``smtp``. Where no port is named
  it is 587, 465 or 25.
"""

from __future__ import annotations

from fireforget.local._backend import LocalBackend

__all__ = ["backend"]

backend = LocalBackend()
