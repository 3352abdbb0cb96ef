"""The device kit: what one wants to know of a card, in the minutes that one has it.

    python -m tgan_lib.bench gpu --minutes 8 --out DIR
    python -m tgan_lib.bench gpu --minutes 1 --out DIR --device cpu    # the CPU in its place, tiny: does the kit work?

In this order: the machine; the checks of `device_checks`; a captured step against a plain one; the library's step in
three precisions against the classic loop; then peeps at 64 px are trained, and CIFAR-10 if its files are here. Every
result is on the disk as soon as it is known, so that a second call goes on where the first stopped. The stages before
training may last until `UNTIL`, and what they leave out is in the report; training has the rest. Nothing that goes
wrong with one result stops the next.
"""

from __future__ import annotations

import argparse
import gc
import os
import statistics
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch

from ..data.loading import load
from ..errors import real_number
from ..gan import GAN
from ..provenance import provenance
from . import loops, steps
from .costs import matmul_flops
from .device_checks import Result, checks
from .device_kit import Kit
from .device_training import trainings

PRECISIONS = ("fp32", "bf16", "fp16")
SIZES = ((28, 1), (32, 3), (64, 3))  # pixels, channels


def machine(device: torch.device) -> Result:
    """Names, memory, versions."""
    found: Result = provenance() | {"on": device.type, "threads": torch.get_num_threads()}
    if device.type == "cuda":
        card = torch.cuda.get_device_properties(device)
        found |= {
            "gibibytes": round(card.total_memory / 2**30, 1),
            "capability": f"{card.major}.{card.minor}",
            "cuda": torch.version.cuda,
            "cudnn": torch.backends.cudnn.version(),
            "fp32 convolutions in tf32": torch.backends.cudnn.allow_tf32,
        }
    return found | {"said": found["device"]}


def products(device: torch.device) -> Result:
    """How fast a large matrix product is in each precision, in 10^12 operations a second."""
    n = 4096 if device.type == "cuda" else 256
    types = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}
    found = {name: round(matmul_flops(device, t, n) / 1e12, 3) for name, t in types.items()}
    return {"teraflops": found, "said": ", ".join(f"{name} {rate:g} TFLOP/s" for name, rate in found.items())}


def same_machine(stored: Mapping[str, Any], device: torch.device) -> bool:
    """Whether what a folder holds was measured here: one report must not mix two machines."""
    here = provenance() | {"on": device.type}
    return not stored or all(stored["here"].get(key) == here[key] for key in ("device", "on", "versions"))


def timed(kit: Kit, running: dict[str, steps.Loop], batch_size: int) -> Result:
    """Milliseconds a step of loops that take turns, the median and all rounds; and which loops failed, and how."""
    gc.collect()  # the row before holds graphs, and their memory, in circles
    failed = {}
    for name in list(running):
        try:
            steps.clock(running[name], 5, kit.device)
        except Exception as error:
            failed[name] = f"{type(error).__name__}: {' '.join(str(error).split())[:200]}"
            del running[name]
    rounds, seconds = (1, 0.02) if kit.tiny else (3, 0.4)
    times = steps.in_turns(running, rounds, kit.device, seconds)
    medians = {name: round(statistics.median(t), 3) for name, t in times.items()}
    said = ", ".join([f"{name} {ms:g} ms" for name, ms in medians.items()] + [f"{n} failed" for n in failed])
    each = {name: [round(t, 3) for t in ts] for name, ts in times.items()}
    return {"milliseconds": medians, "rounds": each, "failed": failed, "batch_size": batch_size, "said": said}


def graph_rows(kit: Kit) -> dict[str, Callable[[], Result]]:
    """A captured step against a plain one, of conv with R1 at every step, for each size and precision."""
    batch_size, width = (4, 4) if kit.tiny else (64, 32)

    def row(size: int, channels: int, precision: str) -> Result:
        if kit.device.type != "cuda":
            return {"said": "CUDA graphs need a CUDA card"}
        images = load("glyphs:digits", size=size, channels=channels, limit=4000, device=kit.device)

        def loop(capture: bool) -> steps.Loop:
            gan = GAN.build("conv", size=size, channels=channels, width=width, device=kit.device)
            return loops.our_loop(gan, images, batch_size, "non_saturating", 0.1, capture, precision)

        return timed(kit, {"eager": loop(False), "graph": loop(True)}, batch_size)

    return {
        f"conv-{size}, {precision}": lambda size=size, channels=channels, precision=precision: row(  # type: ignore[misc]
            size, channels, precision
        )
        for size, channels in SIZES
        for precision in PRECISIONS
    }


def table_rows(kit: Kit) -> dict[str, Callable[[], Result]]:
    """The classic loop, from files' images and from images on the device, against the library's step."""
    batch_size, width, drawn = (4, 4, 64) if kit.tiny else (64, 64, 4000)
    workers = 0 if kit.tiny else min(8, max(2, (os.cpu_count() or 2) - 1))
    captured = (False, True) if kit.device.type == "cuda" else (False,)

    def row(size: int, channels: int) -> Result:
        images = load("glyphs:digits", size=size, channels=channels, limit=drawn, device=kit.device)

        def gan() -> GAN:
            return GAN.build("dcgan", size=size, channels=channels, width=width, device=kit.device)

        def classic(batches: Any) -> steps.Loop:
            return loops.classic_loop(gan(), batches, batch_size, "non_saturating", 0)

        running = {
            "classic": classic(loops.pil_batches(images, batch_size, workers)),
            "classic, images on the device": classic(loops.device_batches(images, batch_size)),
        } | {
            f"tgan_lib {precision}{', graph' * capture}": loops.our_loop(
                gan(), images, batch_size, "non_saturating", 0, capture, precision
            )
            for capture in captured
            for precision in PRECISIONS
        }
        return timed(kit, running, batch_size) | {"workers": workers}

    return {
        f"dcgan-{size}": lambda size=size, channels=channels: row(size, channels)  # type: ignore[misc]
        for size, channels in SIZES
    }


def run(folder: Path, device: torch.device, seconds: float) -> None:
    """The kit, from where it was. ValueError, in a sentence, for a folder with another machine's results."""
    kit = Kit(folder, device, seconds)
    if not same_machine(kit.stored("machine"), device):
        there = kit.stored("machine")["here"]
        raise ValueError(
            f"{folder} holds results of {there['device']} ({there['on']}) with {there['versions']}; give another folder"
        )
    kit.go_through("machine", {"here": lambda: machine(device), "products": lambda: products(device)})
    kit.go_through("checks", checks(device, 20 if kit.tiny else 200))
    kit.go_through("graphs", graph_rows(kit))
    kit.go_through("table", table_rows(kit))
    trainings(kit)
    kit.report()
    print(f"{folder / 'report.md'} after {kit.seconds - kit.left():.0f} s", flush=True)


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m tgan_lib.bench gpu", description="The device kit.")
    parser.add_argument("--minutes", type=float, default=8.0, help="how long it may last, about")
    parser.add_argument("--out", type=Path, required=True, help="a folder; what it holds already is kept")
    parser.add_argument("--device", choices=("cuda", "cpu"), default="cuda", help="cpu: tiny, as a trial")
    given = parser.parse_args(arguments)
    if given.device == "cuda" and not torch.cuda.is_available():
        parser.error("there is no CUDA card here; take a machine with one, or --device cpu to try the kit")
    try:
        run(given.out, torch.device(given.device), 60 * real_number("--minutes", given.minutes, above=0))
    except (ValueError, OSError) as error:
        parser.error(str(error))
