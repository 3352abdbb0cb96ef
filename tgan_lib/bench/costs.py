"""What training costs besides time: memory, the import, arithmetic done, and how a step grows."""

from __future__ import annotations

import json
import re
import resource
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from ..data.loading import load
from ..device import default_device
from ..gan import GAN
from .loops import our_loop, our_run
from .steps import clock

IMPORT = """
import time, torch
started = time.perf_counter()
import tgan_lib
print(time.perf_counter() - started)
"""

MEMORY = """
import json, sys
from tgan_lib.bench.costs import peak_bytes, some_steps
before = peak_bytes()
some_steps(*json.loads(sys.argv[1]))
print(peak_bytes() - before)
"""


def measured(script: str, *arguments: str) -> float:
    """The number that a fresh Python prints last."""
    found = subprocess.run(
        [sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=True
    )
    return float(found.stdout.split()[-1])


def import_seconds(tries: int = 5) -> float:
    """Median seconds that `import tgan_lib` takes once torch is there."""
    return statistics.median(measured(IMPORT) for _ in range(tries))


def peak_bytes() -> int:
    """The most that torch has had on the GPU, or that this process has had in memory.

    On Linux from /proc: the other measure starts a new program with what its parent had.
    """
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    status = Path("/proc/self/status")
    if status.exists():
        return 1024 * int(re.findall(r"VmHWM:\s+(\d+) kB", status.read_text())[0])
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def some_steps(network: str, size: int, channels: int, batch_size: int, width: int | None = None) -> None:
    """Three steps of a run, for the sake of their memory."""
    images = load("glyphs:digits", size=size, channels=channels, limit=1000)
    loop = our_loop(
        GAN.build(network, size=size, channels=channels, width=width), images, batch_size, "non_saturating", 0
    )
    for _ in range(3):
        next(loop)


def peak_mebibytes(network: str, size: int, channels: int, batch_size: int) -> float:
    """What a run adds to a process at its largest: on a GPU what torch allocated there, else resident memory."""
    return measured(MEMORY, json.dumps([network, size, channels, batch_size])) / 2**20


def matmul_flops(device: torch.device, dtype: torch.dtype, n: int = 2048) -> float:
    """Floating-point operations a second of a large matrix product: what this machine can do at best."""
    a = torch.randn(n, n, device=device, dtype=dtype)
    rates = []
    for _ in range(8):
        started = time.perf_counter()
        a @ a
        if device.type == "cuda":
            torch.cuda.synchronize()
        rates.append(2 * n**3 / (time.perf_counter() - started))
    return max(rates)


def step_cost(
    network: str, size: int, channels: int, batch_size: int, width: int | None = None, steps: int = 6
) -> dict[str, Any]:
    """Milliseconds, operations and the share of the machine's best rate, for one step of the library."""
    device = default_device()
    images = load("glyphs:digits", size=size, channels=channels, limit=1000)
    gan = GAN.build(network, size=size, channels=channels, width=width)
    run = our_run(gan, images, batch_size, "non_saturating", 0)
    with FlopCounterMode(display=False) as counter:
        run.one_step()
    loop = our_loop(gan, images, batch_size, "non_saturating", 0)
    clock(loop, 2, device)
    seconds = statistics.median(clock(loop, 2, device) for _ in range(steps))
    best = matmul_flops(device, run.dtype or torch.float32)
    return {
        "network": network,
        "size": size,
        "batch_size": batch_size,
        "width": gan.config.width,
        "milliseconds": round(1000 * seconds, 2),
        "gigaflop": round(counter.get_total_flops() / 1e9, 2),
        "share_of_matmul": round(counter.get_total_flops() / seconds / best, 3),
    }


def run(quick: bool) -> dict[str, Any]:
    """Everything of this page."""
    found: dict[str, Any] = {"import_seconds": round(import_seconds(), 3)}
    cases = [("dcgan", 28, 1, 64)]
    if not quick:
        cases += [("dcgan", 32, 3, 64), ("dcgan", 64, 3, 64), ("resnet", 32, 3, 64), ("modern", 32, 3, 64)]
    found["peak_mebibytes"] = {f"{c[0]}-{c[1]}, batch {c[3]}": round(peak_mebibytes(*c)) for c in cases}
    if quick:
        found["batch"] = [step_cost("dcgan", 28, 1, n) for n in (16, 64)]
        return found
    found["batch"] = [step_cost("dcgan", 28, 1, n) for n in (16, 32, 64, 128, 256)]
    found["width"] = [step_cost("dcgan", 32, 3, 64, width) for width in (16, 32, 64, 128)]
    found["size"] = [step_cost("dcgan", size, 3, 32, 32) for size in (32, 64, 128)]
    print(json.dumps(found, indent=1), flush=True)
    return found
