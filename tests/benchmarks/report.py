"""Tables for the terminal, JSON and plots for `bench-results/`."""

import json
import os
import platform
import time
from pathlib import Path
from typing import Any

from tests.benchmarks.product import ROOT

Table = tuple[str, list[dict[str, Any]]]
RESULTS = ROOT / "bench-results"


def machine() -> dict[str, Any]:
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text().splitlines()
            if "model name" in line
        ),
        platform.machine(),
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "cpus": os.cpu_count(),
        "cpu": model,
        "memory_GB": round(memory, 1),
        "python": platform.python_version(),
        "load_before": [round(load, 2) for load in os.getloadavg()],
        "date": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
    }


def introduce(facts: dict[str, Any]) -> None:
    load, cpus = facts["load_before"][0], facts["cpus"]
    print(f"{cpus} CPUs ({facts['cpu']}), {facts['memory_GB']} GB; load average {load}")
    if load > cpus / 2:
        print(
            "Other work runs on this machine: latencies are then several times those of a quiet one, rates and CPU"
            " per execution worse too. docs/benchmarks.md says at what load its own figures were taken."
        )
    print(flush=True)


def progress(row: dict[str, Any]) -> None:
    print("  " + ", ".join(f"{name} {_text(value)}" for name, value in row.items()), flush=True)


def show(table: Table) -> None:
    title, rows = table
    print(f"\n{title}")
    names = list(dict.fromkeys(name for row in rows for name in row))
    cells = [[_text(row.get(name, "")) for name in names] for row in rows]
    widths = [max(len(name), *(len(line[i]) for line in cells)) if cells else len(name) for i, name in enumerate(names)]
    print("  ".join(name.rjust(width) for name, width in zip(names, widths, strict=True)))
    for line in cells:
        print("  ".join(cell.rjust(width) for cell, width in zip(line, widths, strict=True)))


def _text(value: Any) -> str:
    return f"{value:,.2f}" if isinstance(value, float) else str(value)


def save(tables: list[Table], facts: dict[str, Any]) -> Path:
    folder = RESULTS / time.strftime("%Y%m%d-%H%M%S")
    folder.mkdir(parents=True, exist_ok=True)
    document = {"machine": facts, "tables": [{"title": title, "rows": rows} for title, rows in tables]}
    (folder / "figures.json").write_text(json.dumps(document, indent=1) + "\n")
    _plot(tables, folder)
    return folder


def _plot(tables: list[Table], folder: Path) -> None:
    """Latency against rate, where there is more than one rate."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    curves = [(title, rows) for title, rows in tables if len(rows) > 1 and all("rate" in row for row in rows)]
    for title, rows in curves:
        figure, axes = pyplot.subplots(figsize=(7, 4.2))
        for name in ("p50", "p95", "p99", "last"):
            axes.plot([row["rate"] for row in rows], [row[name] for row in rows], marker="o", markersize=3, label=name)
        axes.set(title=title, xlabel="executions due per second", ylabel="ms from due to recorded end")
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.grid(True, which="both", alpha=0.3)
        axes.legend()
        figure.tight_layout()
        name = "".join(letter if letter.isalnum() else "-" for letter in title.lower())
        figure.savefig(folder / f"{name}.png", dpi=110)
        pyplot.close(figure)
