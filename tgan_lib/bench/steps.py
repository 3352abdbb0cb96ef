"""Milliseconds a step for the three loops, in turns, in one process, over networks, batches, losses and R1."""

from __future__ import annotations

import itertools
import statistics
import time
from collections.abc import Callable, Iterator
from typing import Any

import torch

from ..data.images import Images
from ..data.loading import load
from ..gan import GAN
from . import loops

NETWORKS = (("dcgan", 28, 1), ("dcgan", 32, 3), ("dcgan", 64, 3), ("resnet", 32, 3), ("mlp", 28, 1))
BATCHES = (64, 128)
LOSSES = ("non_saturating", "relativistic")
R1 = (0.0, 0.1)
ROUND = 1.0  # seconds that a round of a loop lasts, about

Loop = Iterator[None]


def clock(loop: Loop, steps: int, device: torch.device) -> float:
    """Seconds for one step, over `steps` of them."""
    started = time.perf_counter()
    for _ in range(steps):
        next(loop)
    if device.type == "cuda":
        torch.cuda.synchronize()
    return (time.perf_counter() - started) / steps


def loops_of(
    network: str, images: Images, batch_size: int, loss: str, r1: float, workers: int
) -> dict[str, Loop]:
    """The loops by name, each with a GAN of its own that started from the same weights."""
    size, channels = images.data.shape[2], images.data.shape[1]
    cuda = images.device.type == "cuda"

    def gan() -> GAN:
        return GAN.build(network, size=size, channels=channels, device=images.device)

    of: dict[str, Callable[[], Loop]] = {
        "classic": lambda: loops.classic_loop(
            gan(), loops.pil_batches(images, batch_size, workers), batch_size, loss, r1
        ),
        "tgan_lib": lambda: loops.our_loop(gan(), images, batch_size, loss, r1),
        "by hand": lambda: loops.hand_loop(gan(), images, batch_size, loss, r1),
    }
    if cuda:
        of["classic, images on the device"] = lambda: loops.classic_loop(
            gan(), loops.device_batches(images, batch_size), batch_size, loss, r1
        )
        of["tgan_lib, captured"] = lambda: loops.our_loop(gan(), images, batch_size, loss, r1, capture=True)
    return {name: make() for name, make in of.items()}


def in_turns(
    running: dict[str, Loop], rounds: int, device: torch.device, seconds: float = ROUND
) -> dict[str, list[float]]:
    """Milliseconds a step in every round of every loop, after a warm-up; a round lasts about `seconds`."""
    for loop in running.values():
        clock(loop, 4, device)  # workers start, buffers are made, a graph is recorded
    steps = {name: max(1, round(seconds / clock(loop, 2, device))) for name, loop in running.items()}
    times: dict[str, list[float]] = {name: [] for name in running}
    for turn in range(rounds):
        names = list(running) if turn % 2 == 0 else list(reversed(running))  # no loop always comes first
        for name in names:
            times[name].append(1000 * clock(running[name], steps[name], device))
    return times


def compare(
    network: str, images: Images, batch_size: int, loss: str, r1: float, rounds: int, workers: int = 2
) -> dict[str, Any]:
    """One row: milliseconds of every round of every loop, and the ratios of rounds that stood side by side."""
    times = in_turns(loops_of(network, images, batch_size, loss, r1, workers), rounds, images.device)

    def ratio(slow: str, quick: str) -> dict[str, float]:
        each = sorted(a / b for a, b in zip(times[slow], times[quick], strict=True))
        return {"median": statistics.median(each), "low": each[0], "high": each[-1]}

    size, channels = images.data.shape[2], images.data.shape[1]
    return {
        "network": network,
        "size": size,
        "channels": channels,
        "batch_size": batch_size,
        "loss": loss,
        "r1": r1,
        "milliseconds": {name: [round(t, 3) for t in ts] for name, ts in times.items()},
        "over_classic": {name: ratio("classic", name) for name in times if name != "classic"},
        "over_by_hand": ratio("by hand", "tgan_lib"),
        "images_per_second": {n: round(1000 * batch_size / statistics.median(t)) for n, t in times.items()},
    }


def run(rounds: int, quick: bool) -> list[dict[str, Any]]:
    """Every row of the table, printed as it comes."""
    networks, batches = (NETWORKS[:1], BATCHES[:1]) if quick else (NETWORKS, BATCHES)
    rows = []
    for (network, size, channels), batch_size, loss, r1 in itertools.product(networks, batches, LOSSES, R1):
        if batch_size > BATCHES[0] and (loss, r1) != (LOSSES[0], R1[0]):
            continue  # the larger batch once for each network
        images = load("glyphs:digits", size=size, channels=channels, limit=4000)
        row = compare(network, images, batch_size, loss, r1, rounds)
        median = {n: statistics.median(t) for n, t in row["milliseconds"].items()}
        print(
            f"{network}-{size}, batch {batch_size}, {loss}{', R1' * (r1 > 0)}: "
            + ", ".join(f"{n} {m:.1f} ms" for n, m in median.items())
            + f"; {row['over_classic']['tgan_lib']['median']:.2f} times the classic loop, "
            f"{row['over_by_hand']['median']:.3f} times the step by hand",
            flush=True,
        )
        rows.append(row)
    return rows
