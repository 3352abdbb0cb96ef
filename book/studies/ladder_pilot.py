"""The ladder's pilot: a first look at whether each way of adapting shows its character on some rung.

    python book/studies/ladder_pilot.py [--quick] [--only rung=micah]

From peeps at 32 px to targets ever further off, with 10 and 100 images. G's learning rate of each kind of way was
chosen beforehand by runs of another seed ("search"); D's is the same for all. Before the runs stand two rows without
any training: the source as it is, and those of its samples that are nearest to the few images. Each run is stored when
it is done, and the script can be stopped and started again; samples of the last seed are kept beside the results.

Everything is judged by two: portraits-v1, which also counts, and EfficientNet-Lite0, which never saw a portrait.
"""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from measured import kappa, limit
from study import CACHE, Part, Study, command_line
from torch import Tensor

from tgan_lib import GAN, Distance, budget, data, few_shot, zoo
from tgan_lib.augment.ada import ADA
from tgan_lib.data.attributes import Attributes
from tgan_lib.data.pixels import to_float
from tgan_lib.data.portraits import STYLES
from tgan_lib.features import extract
from tgan_lib.metrics import frechet_between, memorisation, moments, prdc
from tgan_lib.metrics.counting import attributes_of, name_attributes, styles_of, total_variation
from tgan_lib.transfer.strategies import Plan, adapt, scratch

SIZE = 32
SEEDS, NUMBERS = (0, 1), (10, 100)
STEPS, SAMPLES, JUDGED = 500, 1000, 250
SHOWN = 6  # samples of a run that are kept
JUDGE, SECOND = "portraits-v1", "efficientnet-lite0"
TRAINED: dict[str, Any] = {
    "batch_size": 16,
    "learning_rate": (5e-4, 5e-4),
    "betas": (0.5, 0.99),
    "ema_half_life": 1000,
    "penalties": {"r1": 3.0},
    "penalty_every": 4,
    "precision": "bf16",
}
RUNGS = ("beards", "recoloured", "micah", "ink", "pixel")


def scratch_ada(source: GAN, seed: int, images_to_one: float = 10_000) -> Plan:
    """A fresh GAN, with ADA."""
    return scratch(source, seed)[0], {"augment": ADA(images_to_one=images_to_one)}


# A row of the table: the way, its own numbers, and the way whose search gave it G's rate.
ROWS: dict[str, tuple[Any, dict[str, Any], str]] = {
    "scratch": ("scratch", {}, "scratch"),
    "scratch, ADA": (scratch_ada, {}, "scratch"),
    "plain": ("fine_tune", {}, "fine_tune"),
    "FreezeD": ("freeze_d", {"layers": 2}, "freeze_d"),
    "scale-shift": ("scale_shift", {}, "scale_shift"),
    "low rank": ("low_rank", {"rank": 4}, "low_rank"),
    "miner": ("miner", {}, "miner"),
    "L2-SP 0.1": ("l2sp", {"weight": 0.1}, "fine_tune"),
    "L2-SP 1": ("l2sp", {"weight": 1.0}, "fine_tune"),
    "L2-SP 10": ("l2sp", {"weight": 10.0}, "fine_tune"),
    "EWC 0.1": ("ewc", {"strength": 0.1}, "fine_tune"),
    "EWC 1": ("ewc", {"strength": 1.0}, "fine_tune"),
    "EWC 10": ("ewc", {"strength": 10.0}, "fine_tune"),
    "relations": ("correspondence", {"weight": 1000.0}, "fine_tune"),
    "DiffAugment": ("diff_augment", {}, "fine_tune"),
    "ADA": ("ada", {"images_to_one": 10_000}, "fine_tune"),
}
ANCHORED = ("recoloured", "micah", "ink")  # where anchors of several strengths are tried
SEARCHED = ("scratch", "fine_tune", "freeze_d", "scale_shift", "low_rank", "miner")
SEARCH_ON = {"miner": "beards", "scale_shift": "recoloured"}  # where a way is at home; the others on micah
RATES, SEARCH_SEED, SEARCH_N = (0.3, 1.0, 3.0, 10.0), 100, 100
SEARCH_STEPS, READINGS = 600, 3
SMALLEST = {
    "row": ("plain", "source", "picks"),
    "rung": ("micah",),
    "rate": (1.0,),
    "way": SEARCHED,
}


def beards() -> tuple[data.Images, data.Images]:
    """Peeps with beards in two parts: nearly all of them are among the images that the source has seen."""
    return data.split(data.load("portraits:peeps", size=SIZE, limit=limit(smoke=3000)).having("beard"), 0.5)


@cache
def images_of(rung: str) -> tuple[data.Images, data.Images]:
    """A target's images in two parts that share none: the pool that the few are from, and those held out."""
    if rung == "beards":
        return beards()
    pool, held_out = (
        data.load(f"portraits:{style_of(rung)}", size=SIZE, split=split, limit=limit())
        for split in ("train", "test")
    )
    if rung == "recoloured":
        pool, held_out = (
            replace(images, data=data.paint(images.data, "recoloured")) for images in (pool, held_out)
        )
    return pool, held_out


@cache
def distances(rung: str, samples: int, judged: int) -> tuple[Distance, Distance]:
    held_out = images_of(rung)[1]
    other = budget(smoke=JUDGE, cpu=SECOND, gpu=SECOND)  # a smoke run needs no weights from elsewhere
    return Distance(held_out, features=JUDGE, n=samples), Distance(held_out, features=other, n=judged)


@cache
def source() -> GAN:
    return zoo.load("peeps-32", device="cpu")


def as_peeps(rung: str, samples: Tensor) -> Tensor:
    """Samples as the judge of peeps should see them: the colours of a recoloured one back in their places."""
    return samples[:, [1, 2, 0]] if rung == "recoloured" else samples


@cache
def held_out_names(rung: str) -> Attributes:
    """What the judge sees in the images held out."""
    return name_attributes(as_peeps(rung, images_of(rung)[1].data), style_of(rung))


@cache
def source_names(samples: int, seed: int) -> Attributes:
    """What the judge sees in the source's samples of a seed."""
    return name_attributes(source().sample(z=source().latents(samples, seed)), "peeps")


def style_of(rung: str) -> str:
    """The style whose words describe a target."""
    return rung if rung in STYLES else "peeps"


def counted(rung: str, logits: Tensor, before: Attributes | None) -> dict[str, Any]:
    """What the judge's logits name in samples: the style, and how far attributes' shares moved from those held out.

    kept: in how many pairs of a sample and the source's sample of the same latent, whose names are `before`, the
    judge gives the same answer to "does it wear glasses", "has it a beard" (and of peeps: which skin, which
    background), beyond what chance gives (Cohen's kappa). None without a source's sample to hold against.
    """
    ours, (numbers, styles) = attributes_of(logits, style_of(rung)), styles_of(logits)
    found: dict[str, Any] = {
        "styles": {name: share(numbers == i) for i, name in enumerate(styles)},
        "moved": {name: round(v, 3) for name, v in total_variation(ours, held_out_names(rung)).items()},
        "shares": {name: share(ours.having(name, ())) for name in ("glasses", "beard")},
    }
    if before is None:
        return found
    questions = {name: (ours.having(name, ()), before.having(name, ())) for name in ("glasses", "beard")}
    if style_of(rung) == "peeps":
        questions |= {name: (ours[name], before[name]) for name in ("skin", "background")}
    return found | {"kept": {name: round(kappa(a, b), 3) for name, (a, b) in questions.items()}}


def share(answers: Tensor) -> float:
    return round(answers.double().mean().item(), 3)


def judged_by_two(
    rung: str, n: int, seed: int, samples: Tensor, judged: int, before: Attributes | None
) -> dict[str, Any]:
    """All that is asked of samples (SAMPLES, 3, 32, 32); the second judge sees the first `judged` of them."""
    first, second = distances(rung, len(samples), judged)
    shots = few_shot(images_of(rung)[0], n, seed=seed)
    fake, logits = extract(first.net, samples, floats="any")
    if rung == "recoloured":  # the judge names peeps' colours
        logits = extract(first.net, as_peeps(rung, samples), floats="any")[1]
    other = extract(second.net, samples[:judged], floats="any")[0]
    m = min(len(fake), len(first.real))
    found = prdc(first.real[:m], fake[:m], 3)
    spreads = [float(torch.pdist(x[:500].double()).mean()) for x in (fake, first.real)]
    return {
        "frechet": round(frechet_between(*moments(fake), first.mean, first.cov), 2),
        "second": round(frechet_between(*moments(other), second.mean, second.cov), 2),
        "precision": round(found.precision, 3),
        "recall": round(found.recall, 3),
        "spread": round(spreads[0] / spreads[1], 3),
        "copied": round(memorisation(fake, extract(first.net, shots.data)[0], first.real).share, 3),
    } | counted(rung, logits, before)


def picked(rung: str, n: int, seed: int, samples: int) -> Tensor:
    """Of five times as many samples of the source those nearest to the few images, in the order drawn."""
    made = source().sample(5 * samples, seed=seed)
    net = distances(rung, samples, JUDGED)[0].net
    shots = extract(net, few_shot(images_of(rung)[0], n, seed=seed).data)[0]
    nearest = torch.cdist(extract(net, made, floats="any")[0], shots).amin(1).argsort()[:samples]
    return made[nearest.sort().values]


def keep(path: Path, key: str, samples: Tensor) -> None:
    """Add a run's samples, uint8, to the file of all of them."""
    held = dict(np.load(path)) if path.exists() else {}
    shown = samples[:SHOWN]
    held[key] = (shown if shown.dtype == torch.uint8 else data.to_uint8(shown)).numpy()
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(path, **held)


def make(quick: bool = False) -> Study:
    steps, search_steps, samples, judged = (4, 3, 60, 20) if quick else (STEPS, SEARCH_STEPS, SAMPLES, JUDGED)
    pictures = CACHE / f"ladder_pilot{'_quick' if quick else ''}.npz"

    def trained(
        row: str, rung: str, n: int, seed: int, rate: float, **options: Any
    ) -> tuple[GAN, dict[str, Any]]:
        way, own, _ = ROWS[row]
        few = few_shot(images_of(rung)[0], n, seed=seed)
        g, d = TRAINED["learning_rate"]
        changed = TRAINED | {"learning_rate": (g * rate, d)} | options
        gan, history = adapt(source(), few, way, settings=own, seed=seed, progress=False, **changed)
        found = {"seconds": round(float(history.notes["seconds"]), 1)}
        read = {"distance": [round(x, 2) for x in history["distance"]]} if "metric" in options else {}
        return gan, found | read

    def search(way: str, rate: float, seed: int) -> dict[str, Any]:
        row = next(name for name, (_, _, searched) in ROWS.items() if searched == way)
        rung = SEARCH_ON.get(way, "micah")
        every = {"steps": search_steps, "metric": distances(rung, samples, judged)[0]}
        _, found = trained(row, rung, SEARCH_N, seed, rate, metric_every=search_steps // READINGS, **every)
        print(f"search {way} x{rate}: {found['distance']}", flush=True)
        return found

    def rate_of(way: str) -> float:
        """The rate whose search ended nearest."""
        cells = [c for c in study.found.cells if c.part == "search" and c.at["way"] == way]
        return float(min(cells, key=lambda c: c.found["distance"][-1]).at["rate"])

    def untrained(row: str, rung: str, n: int, seed: int) -> dict[str, Any]:
        made = source().sample(z=source().latents(samples, seed))
        if row == "picks":
            made = picked(rung, n, seed, samples)
        if seed == SEEDS[-1]:
            keep(pictures, f"{rung} {n} {row}", made)
        return judged_by_two(rung, n, seed, made, judged, None)

    def floors(rung: str) -> dict[str, Any]:
        """What images of the pool are told of: as many, drawn at random, as samples are judged."""
        pool = images_of(rung)[0]
        pool = pool.subset(torch.randperm(len(pool), generator=torch.Generator().manual_seed(1))[:samples])
        keep(pictures, f"{rung} real", pool.data)
        return judged_by_two(rung, min(NUMBERS), 0, to_float(pool.data), judged, None)

    def compute(row: str, rung: str, n: int, seed: int) -> dict[str, Any]:
        rate = rate_of(ROWS[row][2])
        gan, found = trained(row, rung, n, seed, rate, steps=steps, metric_every=None)
        made = gan.sample(z=gan.latents(samples, seed))
        if seed == SEEDS[-1]:
            keep(pictures, f"{rung} {n} {row}", made)
        judged_so = judged_by_two(rung, n, seed, made, judged, source_names(samples, seed))
        said = {name: judged_so[name] for name in ("frechet", "second", "recall", "copied")}
        print(f"{rung}, {n}, {row}, {seed}: {said} in {found['seconds']} s", flush=True)
        return found | {"rate": rate} | judged_so

    settings = {
        "source": "peeps-32",
        "seeds": SEEDS,
        "steps": steps,
        "samples": samples,
        "judged": judged,
        "judges": (JUDGE, SECOND),
        "trained": TRAINED,
        "rates": RATES,
        "search": {way: SEARCH_ON.get(way, "micah") for way in SEARCHED}
        | {"n": SEARCH_N, "steps": [search_steps * r // READINGS for r in range(1, READINGS + 1)]},
        "anchored": ANCHORED,
        "rows": {
            row: (way if isinstance(way, str) else way.__name__, own) for row, (way, own, _) in ROWS.items()
        },
        "threads": torch.get_num_threads(),
    }
    study = Study(
        "ladder_pilot",
        {"row": tuple(ROWS), "rung": RUNGS, "n": NUMBERS, "seed": SEEDS},
        settings,
        compute,
        only=lambda row, rung, n, seed: rung in ANCHORED or not row.startswith(("L2-SP", "EWC")),
        before=[
            Part("search", {"way": SEARCHED, "rate": RATES, "seed": (SEARCH_SEED,)}, search),
            Part("floors", {"rung": RUNGS}, floors),
            Part(
                "untrained",
                {"row": ("source", "picks"), "rung": RUNGS, "n": NUMBERS, "seed": SEEDS},
                untrained,
            ),
        ],
        smallest=SMALLEST if quick else None,
    )
    return study


if __name__ == "__main__":
    command_line(make)
