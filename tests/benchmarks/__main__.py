"""`python -m tests.benchmarks [--only acj] [--quick]`: measures the product on this machine."""

import argparse
import os
import signal
import sys
import time
from dataclasses import fields

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "orchestrator_site.settings")

from tests.benchmarks import report
from tests.benchmarks.scenarios import SCENARIOS, Bench, Options

# The main part of what docs/benchmarks.md quotes, in under four minutes on a quiet machine.
QUICK = {"only": "jacdgin", "seconds": 6.0, "count": 400, "rates": [10, 100, 300, 500, 600, 800, 1_000]}


def main() -> int:
    arguments = _arguments()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # nothing that was started is left behind
    facts = report.machine()
    report.introduce(facts)
    wanted = [scenario for scenario in SCENARIOS if scenario.letter in arguments.only]
    bench = Bench(Options(**{field.name: getattr(arguments, field.name) for field in fields(Options)}))
    tables: list[report.Table] = []
    try:
        for scenario in wanted:
            began = time.monotonic()
            print(f"{scenario.letter}. {scenario.title}", flush=True)
            found = scenario.run(bench)
            tables += found
            for table in found:
                report.show(table)
            print(f"({time.monotonic() - began:.0f} s)\n", flush=True)
    finally:
        bench.close()
        if tables:
            print(f"written to {report.save(tables, facts)}")
    return 0


def _arguments() -> argparse.Namespace:
    letters = "\n".join(f"  {scenario.letter}  {scenario.title}" for scenario in SCENARIOS)
    parser = argparse.ArgumentParser(
        prog="python -m tests.benchmarks",
        description="Measures the product on this machine.",
        epilog=f"scenarios:\n{letters}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    everything = "".join(scenario.letter for scenario in SCENARIOS)
    defaults = Options(0)
    parser.add_argument("--only", default=None, help="letters of scenarios, for example acj")
    parser.add_argument("--seconds", type=float, default=None, help="how long one rate is kept up at most")
    parser.add_argument("--count", type=int, default=None, help="how many executions at one rate at most")
    parser.add_argument("--rates", type=_numbers, default=None, help="executions per second, comma-separated")
    parser.add_argument("--by", type=lambda text: text.split(","), default=defaults.by, help="rest,python")
    parser.add_argument("--rows", type=int, default=defaults.rows, help="finished executions of scenario l")
    parser.add_argument("--port", type=int, default=18_280, help="and the two above it")
    parser.add_argument(
        "--quick",
        action="store_true",
        help="scenarios a, c, d, g, i, j, shortened: four minutes, twice as long on a busy machine",
    )
    arguments = parser.parse_args()
    chosen = QUICK if arguments.quick else {"only": everything}
    for name in ("only", "seconds", "count", "rates"):
        if getattr(arguments, name) is None:
            setattr(arguments, name, chosen.get(name, getattr(defaults, name, None)))
    return arguments


def _numbers(text: str) -> list[float]:
    return [float(number) for number in text.split(",")]


if __name__ == "__main__":
    sys.exit(main())
