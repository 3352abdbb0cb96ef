"""A speedrun: seconds of training until a GAN's digits are within a fixed distance of MNIST's, by fixed rules.

    make speedrun
    python -m tgan_lib.bench speedrun --out FILE [--entrant ours|classic] [--seeds N]

The page reference/speedrun has the rules in words. An entrant says beforehand how it trains, every how many steps it
is read, and in how many seconds it claims to arrive; its first reading at or below `Rules.level` ends a run. The clock
is the process's own processor time on one thread, and stands still while something is measured, so that whatever else
the machine does is not counted; the clock on the wall is kept beside it. Entrants take turns, seed by seed. Each run is
stored when it is done, with the source that made it, and the same call goes on with those that are missing.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from ..data.images import Images
from ..data.loading import load
from ..errors import unknown_name, whole_number
from ..gan import GAN
from ..metrics.distances import Distance
from ..provenance import provenance
from ..training.loop import Metric
from ..training.train import own_random_state, train
from . import loops
from .speedrun_records import Reading, ratios, records


@dataclass(frozen=True)
class Rules:
    """What is the same for all: the distance to reach, the data, the judge, its samples, and what a record needs."""

    level: float = 80.0
    data: str = "mnist"
    judge: str = "mnist-v1"
    samples: int = 10_000
    seeds: int = 10
    p: float = 0.01


@dataclass(frozen=True)
class Entrant:
    """What trains, and what it claims.

    who: in a few words. way: a name in `WAYS`. gan: for `GAN.build`; train: for the way. every: steps between
    readings; steps: after which a run is given up, a multiple of `every`. claim: seconds that the mean stays under.
    """

    who: str
    way: str
    gan: dict[str, Any]
    train: dict[str, Any]
    every: int
    steps: int
    claim: float


class Readings:
    """A metric that stops the clock while it measures, and keeps every reading."""

    def __init__(self, metric: Metric, every: int) -> None:
        self.metric, self.every = metric, every
        self.curve: list[Reading] = []
        self.spent = [0.0, 0.0]
        self.start()

    def start(self) -> None:
        """The clock goes on from here."""
        self.started = [time.process_time(), time.perf_counter()]

    def __call__(self, gan: GAN) -> float:
        now = [time.process_time(), time.perf_counter()]
        self.spent = [s + n - at for s, n, at in zip(self.spent, now, self.started, strict=True)]
        distance = round(self.metric(gan), 3)
        step = self.every * (len(self.curve) + 1)
        self.curve.append([step, *(round(s, 3) for s in self.spent), distance])
        self.start()
        return distance


def run_classic(entrant: Entrant, images: Images, readings: Readings, level: float, seed: int) -> None:
    """The classic loop, its batches made in the process itself; G itself is judged, since there is no average."""
    with own_random_state(gan := built(entrant, images, seed), seed):
        size = entrant.train["batch_size"]
        batches = loops.pil_batches(images, size, workers=0)
        next(batches)  # PIL images are made, as files are read: before the clock starts
        loop = loops.classic_loop(gan, batches, size, entrant.train["loss"], 0)
        readings.start()
        for step in range(1, entrant.steps + 1):
            next(loop)
            if step % entrant.every == 0:
                gan.ema.load_state_dict(gan.generator.state_dict())
                if readings(gan) <= level:
                    return


def run_train(entrant: Entrant, images: Images, readings: Readings, level: float, seed: int) -> None:
    """`train`, whose average of G is judged; all that it prepares is on the clock."""
    gan = built(entrant, images, seed)
    readings.start()
    train(
        gan,
        images,
        steps=entrant.steps,
        metric=readings,
        metric_every=entrant.every,
        target=level,
        log_every=None,
        seed=seed,
        progress=False,
        **entrant.train,
    )


def built(entrant: Entrant, images: Images, seed: int) -> GAN:
    """The entrant's GAN, of the images' size and on their device, before a step."""
    channels, size = images.data.shape[1], images.data.shape[2]
    return GAN.build(**entrant.gan, channels=channels, size=size, seed=seed, device=images.device)


WAYS: dict[str, Callable[[Entrant, Images, Readings, float, int], None]] = {
    "classic": run_classic,
    "train": run_train,
}
# The first is what all others are compared with.
ENTRANTS: dict[str, Entrant] = {
    "classic": Entrant(
        who="the recipe of 2016 in the classic loop",
        way="classic",
        gan={"network": "dcgan_2016", "latent_dim": 100, "width": 64},
        train={
            "loss": "non_saturating",
            "batch_size": 128,
            "learning_rate": loops.RATE,
            "betas": list(loops.BETAS),
        },
        every=100,
        steps=4000,
        claim=360.0,
    ),
    "ours": Entrant(
        who="tgan_lib",
        way="train",
        gan={"network": "conv", "latent_dim": 64, "width": 32},
        train={
            "loss": "non_saturating",
            "penalties": {"r1": 0.1},
            "penalty_every": 4,
            "learning_rate": 2e-3,
            "betas": [0.5, 0.99],
            "ema_half_life": 5000,
            "batch_size": 64,
            "precision": "bf16",
        },
        every=50,
        steps=5000,
        claim=40.0,
    ),
}


def source() -> dict[str, Any]:
    """{"commit", "script", "library"}: the commit, "+" after it where the library's files have changed since, the
    hash of this file, and one of all of the library's."""
    package = Path(__file__).resolve().parents[1]

    def git(*words: str) -> str:
        done = subprocess.run(["git", "-C", str(package), *words], capture_output=True, text=True)
        return done.stdout.strip() if done.returncode == 0 else ""

    try:
        commit = git("rev-parse", "--short=12", "HEAD") or "no commit"
        commit += "+" * bool(git("status", "--porcelain", "--untracked-files=no", "--", "."))
    except OSError:  # no git here
        commit = "no commit"
    whole = hashlib.sha256()
    for path in sorted(package.rglob("*.py")):
        whole.update(path.relative_to(package).as_posix().encode() + b"\0" + path.read_bytes())
    script = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()
    return {"commit": commit, "script": script[:16], "library": whole.hexdigest()[:16]}


def opened(out: Path, rules: Rules, entrants: Mapping[str, Entrant]) -> dict[str, Any]:
    """What `out` holds, or nothing yet. SystemExit where it was run by other rules or with other settings."""
    said = json.loads(
        json.dumps({"rules": asdict(rules), "entrants": {n: asdict(e) for n, e in entrants.items()}})
    )
    empty = {"script": "tgan_lib/bench/speedrun.py", **said, "provenance": [], "runs": []}
    stored = json.loads(out.read_text()) if out.exists() else empty
    run = {run["entrant"] for run in stored["runs"]}
    if run and stored["rules"] != said["rules"]:
        raise SystemExit(
            f"{out} was run by the rules {stored['rules']}; here they are {said['rules']}: move it away"
        )
    for name in run & said["entrants"].keys():
        if stored["entrants"][name] != said["entrants"][name]:
            raise SystemExit(
                f"{out} holds runs of {name!r} with other settings; give the new ones another name, or move it away"
            )
    stored["entrants"] |= said["entrants"]
    return stored | {"rules": said["rules"]}


def write(out: Path, content: dict[str, Any]) -> None:
    """JSON, written beside and renamed over, with what follows from the runs."""
    beside = out.with_name(out.name + ".part")
    beside.write_text(
        json.dumps(content | {"records": records(content), "ratios": ratios(content)}, indent=1) + "\n"
    )
    os.replace(beside, out)


def run(
    out: Path, rules: Rules, entrants: Mapping[str, Entrant], names: Sequence[str], seeds: int, images: Images
) -> dict[str, Any]:
    """Run the seeds 0, 1, ... of the entrants `names` that `out` does not hold yet, in turns, storing each."""
    content = opened(out, rules, entrants)
    here = provenance() | {"threads": torch.get_num_threads()} | source()
    metric = Distance(images, features=rules.judge, n=rules.samples)
    for seed in range(seeds):
        for name in names:
            if any(r["entrant"] == name and r["seed"] == seed for r in content["runs"]):
                continue
            entrant = entrants[name]
            readings = Readings(metric, entrant.every)
            WAYS[entrant.way](entrant, images, readings, rules.level, seed)
            here |= {"date": provenance()["date"]}
            if here not in content["provenance"]:
                content["provenance"].append(dict(here))
            number = content["provenance"].index(here)
            content["runs"].append(
                {"entrant": name, "seed": seed, "provenance": number, "curve": readings.curve}
            )
            write(out, content)
            print(f"{name}, seed {seed}: {readings.curve[-1]}", flush=True)
    return content


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m tgan_lib.bench speedrun", description="The speedrun.")
    parser.add_argument("--out", type=Path, required=True, help="JSON file; runs that it holds are kept")
    parser.add_argument("--seeds", type=int, default=Rules.seeds, help="seeds 0, 1, ... of each entrant")
    parser.add_argument("--entrant", help=f"one of {', '.join(ENTRANTS)}; all of them by default")
    given = parser.parse_args(arguments)
    try:
        whole_number("--seeds", given.seeds)
        if given.entrant is not None and given.entrant not in ENTRANTS:
            raise unknown_name("entrant", given.entrant, ENTRANTS)
        torch.set_num_threads(1)
        images = load(Rules.data, device="cpu")
    except (ValueError, OSError) as error:
        parser.error(str(error))
    names = list(ENTRANTS) if given.entrant is None else [given.entrant]
    content = run(given.out, Rules(), ENTRANTS, names, given.seeds, images)
    for row in records(content):
        print(json.dumps(row))
    for row in ratios(content):
        print(json.dumps(row))
