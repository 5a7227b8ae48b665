"""Deliberately broken adapters, at least one for each test of the kit, which fails them and nobody else.

Each is an adapter in memory with one fault. `SABOTEURS` says which tests have to notice it; all others have to pass,
so that a test that fails points at one cause.
"""

from __future__ import annotations

from fireforget.testing.saboteurs import (
    closing,
    dead_letters,
    interruptions,
    leases,
    lifetimes,
    mailers,
    order,
    queues,
    scans,
    stores,
)
from fireforget.testing.saboteurs.saboteur import Saboteur

__all__ = ["SABOTEURS", "Saboteur"]

SABOTEURS: tuple[Saboteur, ...] = tuple(
    saboteur
    for module in (queues, leases, order, interruptions, dead_letters, stores, scans, lifetimes, mailers, closing)
    for saboteur in module.found
)
"""All of them."""
