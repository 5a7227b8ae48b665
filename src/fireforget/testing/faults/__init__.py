"""Faults: an application runs as a real server, is hurt under load, and nothing that it accepted may be missing.

A `Trial` starts the server, and a worker of its own where there is one, lets clients ask without end, sends SIGKILL,
SIGTERM or SIGSTOP at random moments, starts again what has ended, and balances the books at last: every event whose id
a client was told is in the store once, or is counted with its reason. Where the answers tell no ids, every answered
request must have an event in the store with its ``x-request-id``. From a shell::

    python -m fireforget.testing.faults --app "uvicorn shop:app --port {port}" --path /order --blows 20

It needs a system with signals and process groups (Linux, macOS), and a queue that tells how full it is.
"""

from fireforget.testing.faults.balance import Balance
from fireforget.testing.faults.books import Books
from fireforget.testing.faults.child import Child
from fireforget.testing.faults.load import Load
from fireforget.testing.faults.plan import Blow, Plan, Victim, Weapon
from fireforget.testing.faults.server import Server, free_port
from fireforget.testing.faults.trial import Trial

__all__ = ["Balance", "Blow", "Books", "Child", "Load", "Plan", "Server", "Trial", "Victim", "Weapon", "free_port"]
