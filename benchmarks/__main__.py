"""Runs the benchmarks: all of them, into RESULTS.md, or only those that are named."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from benchmarks import emit, imports, middleware, outage, pipeline, sqs
from benchmarks.command import chosen, measure, new_parser
from benchmarks.functions import cold_start, throughput
from benchmarks.report import Page

BENCHMARKS: Final = {
    "emit": emit.run,
    "middleware": middleware.run,
    "pipeline": pipeline.run,
    "imports": imports.run,
    "outage": outage.run,
    "sqs": sqs.run,
    "functions": throughput.run,
    "cold-start": cold_start.run,
}
PAGE: Final = Page(
    path=Path(__file__).with_name("RESULTS.md"),
    title="Benchmark results",
    command="make bench",
    packages=("fireforget", "aioboto3", "aiobotocore", "anyio", "msgspec", "starlette"),
)


def main() -> None:
    """Measure what the command line names."""
    parser = new_parser("benchmarks", __doc__, BENCHMARKS)
    measure(BENCHMARKS, chosen(parser, parser.parse_args().names, BENCHMARKS), PAGE)


if __name__ == "__main__":
    main()
