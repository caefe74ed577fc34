"""What the benchmarks share: percentiles, medians of rounds, and what ran where.

Every measurement runs in a process of its own, so that CPU time and peak memory are its own too.
"""

import json
import platform
import resource
import statistics
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
ROOT = HERE.parent
OUT = HERE / "out"

Figures = dict[str, Any]


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value that `share` of the sorted values do not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


def cpu_seconds() -> float:
    """Return the CPU time this process has used."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def peak_mib() -> float:
    """Return the most memory this process has held, in MiB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def medians(rounds: Sequence[Figures]) -> Figures:
    """Return one set of figures: the median of each number; anything else must be equal in all rounds."""
    merged: Figures = {}
    for name, first in rounds[0].items():
        if isinstance(first, (int, float)) and not isinstance(first, bool):
            merged[name] = round(statistics.median(figures[name] for figures in rounds), 3)
        else:
            merged[name] = first
    return merged


def in_child(script: str, task: Figures) -> Figures:
    """Run one measurement of `bench/<script>` in a fresh process and return its figures."""
    command = [sys.executable, str(HERE / script), json.dumps(task)]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout.splitlines()[-1])


def commit() -> str:
    """Return the commit that is measured, with a plus sign when the sources differ from it."""
    changed = _git("status", "--porcelain", "--", "src", "bench")
    return _git("rev-parse", "--short=12", "HEAD") + ("+" if changed else "")


def _git(*arguments: str) -> str:
    done = subprocess.run(["git", *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=False)
    return done.stdout.strip()


def machine() -> Figures:
    """Return what the figures were measured on."""
    info = Path("/proc/cpuinfo")
    models = [line.split(":")[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
    return {
        "cpu": models[0] if models else platform.processor(),
        "cores": len(models),
        "system": platform.system(),
        "python": platform.python_version(),
    }
