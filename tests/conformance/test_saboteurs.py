"""Every saboteur fails the tests that are there to notice it, and no other; every test of the kit notices one."""

import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from collections import defaultdict
from pathlib import Path

import pytest

from fireforget.testing.saboteurs import SABOTEURS, Saboteur
from tests.conformance.sabotage import KITS, class_of
from tools import repository

pytestmark = pytest.mark.timeout(300)

OPTIONS = (
    f"-c {os.devnull} --rootdir {repository.ROOT} --import-mode=importlib -q --tb=no "
    "-p anyio.pytest_plugin -p fireforget.testing.plugin -p no:cacheprovider "
    "-p no:logging -p no:warnings -p no:unraisableexception -p no:threadexception"
).split()
"""Thousands of tests: nothing is loaded but what they need."""

SCENARIO = "random_scenarios_go_as_in_memory"


def failures(folder: Path, *arguments: str) -> dict[str, set[str]]:
    """The names of the tests that fail, by the name of the class."""
    results = folder / "results.xml"
    command: list[str | Path] = [
        sys.executable,
        "-m",
        "pytest",
        "tests/conformance/sabotage.py",
        "--junitxml",
        results,
        *OPTIONS,
        *arguments,
    ]
    run = subprocess.run(
        command,
        cwd=repository.ROOT,
        env=os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "HYPOTHESIS_PROFILE": "seeking"},
        check=False,
        capture_output=True,
        text=True,
    )
    assert run.returncode == pytest.ExitCode.TESTS_FAILED, run.stdout[-2000:] + run.stderr
    found: dict[str, set[str]] = defaultdict(set)
    for case in ET.parse(results).iter("testcase"):
        if case.find("failure") is not None:
            found[case.attrib["classname"].rpartition(".")[2]].add(promise(case.attrib["name"]))
    return found


def promise(test: str) -> str:
    return test.partition("[")[0].removeprefix("test_")


@pytest.fixture(scope="module")
def failed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, set[str]]:
    return failures(tmp_path_factory.mktemp("sabotage"), "-k", "not random")


@pytest.mark.parametrize("saboteur", SABOTEURS, ids=lambda saboteur: class_of(saboteur).__name__.removeprefix("Test_"))
def test_a_saboteur_fails_the_tests_that_notice_it_and_no_other(
    failed: dict[str, set[str]], saboteur: Saboteur
) -> None:
    assert saboteur.noticed
    assert failed[class_of(saboteur).__name__] == saboteur.noticed


@pytest.mark.parametrize("port", KITS)
def test_every_promise_has_a_saboteur(port: str) -> None:
    promises = {promise(name) for name in dir(KITS[port]) if name.startswith("test_")} - {SCENARIO}
    noticed = set().union(*(saboteur.noticed for saboteur in SABOTEURS if saboteur.port == port))
    assert noticed == promises


def test_random_scenarios_notice_saboteurs_too(tmp_path: Path) -> None:
    queues, stores = ["LeasesForEver", "LateNackReleases", "KnowsNoKeys"], ["ClaimsForEver", "GrantsEveryClaim"]
    found = failures(tmp_path, "-k", f"random and ({' or '.join(queues + stores)})")
    assert found.keys() == {f"Test_queue_{name}" for name in queues} | {f"Test_store_{name}" for name in stores}
