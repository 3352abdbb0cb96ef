"""Chapter 6: seconds and memory of each measure.

Seconds are those of one core that this process had, so that other work on the machine does not count. Called as
`measuring_costs.py MEASURE N` it prints the memory of one measure, which a process of its own has to find out.
"""

from __future__ import annotations

import functools
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

import torch
from measuring_sets import Sets, rng, rounded
from torch import Tensor

from tgan_lib.bench.costs import peak_bytes
from tgan_lib.metrics import frechet_distance, kernel_distance, prdc

CALLS: dict[str, Callable[[Tensor, Tensor], object]] = {
    "frechet": frechet_distance,
    "kernel": lambda x, y: kernel_distance(x, y, subset_size=min(1000, len(x))),
    "prdc": prdc,
}


def cost(sets: Sets, seed: int, sizes: Sequence[int]) -> dict[str, Any]:
    """{measure: seconds of one core for each n}, and those of the features of 1 000 images."""

    def seconds(call: Callable[[], object]) -> float:
        began = time.process_time()
        call()
        return rounded(time.process_time() - began, 3)

    x, y = (torch.randn(sizes[-1], 64, generator=rng(seed + i)) for i in range(2))
    found: dict[str, Any] = {
        name: [seconds(functools.partial(call, x[:n], y[:n])) for n in sizes] for name, call in CALLS.items()
    }
    return found | {"features of 1000": seconds(lambda: sets.features(sets.test.data[:1000]))}


def peak_mebibytes(measure: str, n: int) -> float:
    """What the measure of n and n features adds to this process at its largest."""
    x, y = torch.randn(n, 64), torch.randn(n, 64)
    CALLS[measure](x[:500], y[:500])  # whatever is needed once
    before = peak_bytes()
    CALLS[measure](x, y)
    return round((peak_bytes() - before) / 2**20)


def memory(sizes: Sequence[int]) -> dict[str, Any]:
    """{measure: mebibytes for each n}, each in a process of its own."""

    def measured(measure: str, n: int) -> float:
        command = [sys.executable, __file__, measure, str(n)]
        return float(subprocess.run(command, capture_output=True, text=True, check=True).stdout)

    return {name: [measured(name, n) for n in sizes] for name in CALLS}


if __name__ == "__main__":
    torch.set_num_threads(1)
    print(peak_mebibytes(sys.argv[1], int(sys.argv[2])))
