"""What several studies measure in the same way: what a step costs, and how far a training is on its way."""

from __future__ import annotations

import base64
import io
import statistics
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn

from tgan_lib import GAN, Distance, budget, data, train
from tgan_lib.chapters.fine_tuning import accuracy
from tgan_lib.data.pixels import to_uint8
from tgan_lib.features import extract
from tgan_lib.metrics import frechet_between, moments

Runs = Mapping[str, Callable[[], float]]  # name -> what measures it once, in milliseconds


def in_turns(runs: Runs, rounds: int) -> dict[str, list[float]]:
    """What each returned in each of `rounds`, in which all take their turn, so that whatever else the machine does
    slows them alike. One round more goes before, to warm up."""
    taken: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds + 1):
        for name, run in runs.items():
            taken[name].append(run())
    return {name: times[1:] for name, times in taken.items()}


def medians(runs: Runs, rounds: int) -> dict[str, float]:
    """The median of each over the rounds, measured in turns."""
    return {name: round(statistics.median(times), 4) for name, times in in_turns(runs, rounds).items()}


def relative(runs: Runs, rounds: int) -> dict[str, dict[str, float]]:
    """Medians, "ms", and as multiples of the first one's, "relative".

    A multiple is taken within a round, between runs that were neighbours in time.
    """
    taken = in_turns(runs, rounds)
    first = next(iter(taken.values()))
    return {
        name: {
            "ms": round(statistics.median(times), 2),
            "relative": round(statistics.median(t / base for t, base in zip(times, first, strict=True)), 3),
        }
        for name, times in taken.items()
    }


def costs(
    configurations: Mapping[str, tuple[Callable[[], GAN], dict[str, Any]]],
    images: data.Images,
    rounds: int = 9,
    steps: int = 24,
) -> dict[str, dict[str, float]]:
    """What a step of each configuration (what builds its GAN, what `train` is given) costs; see `relative`."""

    def milliseconds(build: Callable[[], GAN], trained: dict[str, Any]) -> float:
        history = train(build(), images, steps=steps, progress=False, **trained)
        return float(1000 * history.notes["seconds"] / steps)

    return relative({name: partial(milliseconds, *what) for name, what in configurations.items()}, rounds)


def trajectory(
    gan: GAN,
    images: data.Images,
    distance: Distance,
    steps: int,
    readings: int,
    *,
    also_latest: bool = True,
    timed: bool = False,
    **options: Any,
) -> dict[str, Any]:
    """Train, and measure `readings` times on the way: the averaged generator's distance, and the latest one's.

    timed: with the seconds of training.
    """
    latest: list[float] = []

    def measure(gan: GAN) -> float:
        if also_latest:
            latest.append(distance_of(distance, gan.sample(distance.n, seed=distance.seed, ema=False)))
        return distance(gan)

    history = train(
        gan, images, steps=steps, metric=measure, metric_every=steps // readings, progress=False, **options
    )
    found: dict[str, Any] = {"distance": [round(d, 3) for d in history["distance"]]}
    if timed:
        found["seconds"] = round(float(history.notes["seconds"]), 1)
    return found | ({"distance_without_average": [round(d, 3) for d in latest]} if also_latest else {})


def pictured(samples: Tensor, levels: int = 256) -> str:
    """Samples (n, C, s, s) in [-1, 1], one below the other as a PNG in base64, for a study's cell:
    `tgan_lib.results.samples_of` reads them back. levels: of each channel; fewer make a smaller file."""
    steps = 255 / (levels - 1)
    pixels = ((to_uint8(samples).cpu() / steps).round() * steps).round().byte()
    sheet = pixels.permute(0, 2, 3, 1).reshape(-1, pixels.shape[-1], pixels.shape[1])
    file = io.BytesIO()
    Image.fromarray(sheet.squeeze(2).numpy()).save(file, "PNG", optimize=True)
    return base64.b64encode(file.getvalue()).decode()


def distance_of(distance: Distance, samples: Tensor) -> float:
    """The Fréchet distance of samples (n, C, H, W) whose pixels may lie outside [-1, 1], as those of no tanh do."""
    fake = extract(distance.net, samples, floats="any")[0]
    return frechet_between(*moments(fake), distance.mean, distance.cov)


def limit(whole: int | None = None, smoke: int = 240) -> int | None:
    """How many images to load: `whole`, all if None; a smoke run draws a few."""
    return budget(smoke=smoke, cpu=whole, gpu=whole)


def labels_of(images: data.Images) -> Tensor:
    """The images' labels (N,)."""
    if images.labels is None:
        raise ValueError(f"{images.name} has no labels")
    return images.labels


def share_right(net: nn.Module, images: data.Images) -> float:
    """The share of labelled images that a classifier names rightly."""
    return round(accuracy(net, images.data, labels_of(images)), 4)


def sequential_of(network: nn.Module) -> nn.Sequential:
    """The layers, in a row, of a G or D that is built so."""
    if not isinstance(network.net, nn.Sequential):
        raise TypeError(f"{type(network).__name__}.net is a {type(network.net).__name__}, not a Sequential")
    return network.net


def kappa(a: Tensor, b: Tensor) -> float:
    """Cohen's kappa of two vectors of answers: 1 for agreement, 0 for what chance gives; 0 where all are one."""
    a, b = a.long(), b.long()
    agree = (a == b).double().mean().item()
    several = range(int(torch.stack([a, b]).max()) + 1)
    chance = sum((a == i).double().mean().item() * (b == i).double().mean().item() for i in several)
    return 0.0 if chance > 1 - 1e-9 else (agree - chance) / (1 - chance)
