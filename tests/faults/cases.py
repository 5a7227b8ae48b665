"""The cases of the trials: what is run, under which settings, and what is done to it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import chdir, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from fireforget.testing.faults import Balance, Plan, Trial, Victim, Weapon
from tests.programs import ROOT, UVICORN

SHOP: Final = "tests.faults.shop:app"
SERVER: Final = (*UVICORN, SHOP, "--log-level", "warning")
WORKER: Final = (sys.executable, "-m", "fireforget", "worker")

LARGE: Final = ("/orders?size=8000",)


@dataclass(frozen=True)
class Case:
    """One case.

    Args:
        name: What is done, in words.
        victims: As in `Plan`.
        weapons: As in `Plan`.
        paths: As in `Plan`.
        variables: ``FIREFORGET_*`` variables, without their prefix and in small letters.
        disk_kib: Size of the file system that the journals are on; None for that of the directory.
    """

    name: str
    victims: tuple[Victim, ...] = ("app",)
    weapons: tuple[Weapon, ...] = ("kill",)
    paths: tuple[str, ...] = ("/order", "/orders", "/quiet", "/work")
    variables: Mapping[str, object] = field(default_factory=dict)
    disk_kib: int | None = None

    def run(self, directory: Path, blows: int, seed: int, tell: Callable[[str], object] = lambda _: None) -> Balance:
        """Run it in an empty directory.

        Raises:
            PermissionError: The file system cannot be mounted.
        """
        journals = directory / "journals"
        journals.mkdir(exist_ok=True)
        alone = set(self.victims) == {"app"}
        given = {"processing_lease_seconds": 1, "processing_embedded": alone, "journal_directory": journals}
        plan = Plan(
            blows=blows, victims=self.victims, weapons=self.weapons, paths=self.paths, most_answers=120, seed=seed
        )
        disk = mounted(journals, self.disk_kib) if self.disk_kib else nullcontext()
        with chdir(directory), environment({**given, **self.variables}), disk:
            return Trial(SERVER, () if alone else WORKER, plan, tell=tell).run()


CASES: Final = (
    Case("the application", variables={"journal_durability": "process"}),
    Case("the application, durability power", variables={"journal_durability": "power"}),
    Case("application, worker or both", victims=("app", "worker", "both")),
    Case("both, durability power", victims=("both",), variables={"journal_durability": "power"}),
    Case(
        "the application, on a nearly full disk",
        paths=LARGE,
        variables={"journal_segment_bytes": 256 * 1024},
        disk_kib=2048,
    ),
    Case(
        "both, on a nearly full disk, durability power",
        victims=("both",),
        paths=LARGE,
        variables={"journal_segment_bytes": 256 * 1024, "journal_durability": "power"},
        disk_kib=2048,
    ),
    Case("SIGKILL, SIGTERM and SIGSTOP of all", victims=("app", "worker", "both"), weapons=("kill", "term", "stop")),
)


@contextmanager
def environment(variables: Mapping[str, object]) -> Iterator[None]:
    """Let this process and its children have these ``FIREFORGET_*`` variables and no others, and find the tests."""
    before = dict(os.environ)
    for name in [name for name in os.environ if name.startswith("FIREFORGET_")]:
        del os.environ[name]
    os.environ.update({f"FIREFORGET_{name.upper()}": str(value) for name, value in variables.items()})
    os.environ["PYTHONPATH"] = str(ROOT)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


@contextmanager
def mounted(path: Path, kib: int) -> Iterator[None]:
    """Mount a small file system in memory there.

    Raises:
        PermissionError: It cannot be mounted, which takes root on Linux.
    """
    command = ["mount", "-t", "tmpfs", "-o", f"size={kib}k", "none", str(path)]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode:
        raise PermissionError(f"no file system can be mounted here: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "-l", str(path)], check=True)
