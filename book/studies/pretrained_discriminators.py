"""Chapter 11's study: a D that looks through a pre-trained network, a classifier that starts as a D, and the reverse.

    python book/studies/pretrained_discriminators.py [--quick]

"features": a GAN of letters is to draw MNIST's digits. Its G is the start of all; D is the letters' own, a fresh one,
or one that looks through a frozen network: mnist-v1, one of the same shape that has learnt letters, or one that has
learnt nothing. All get the same CPU seconds, as steps = seconds / cost of a step, and the costs are measured first,
in turns. Samples are judged through four networks, two of which were in a D. "scratch": the same with a fresh G.
"start": a classifier of few labels that starts as a GAN's D. "few": a D that starts as a classifier, a fresh G, and a
few digits.

Each run is stored when it is done, and the script can be stopped and started again.
"""

from __future__ import annotations

import json
import statistics
import time
from functools import cached_property
from typing import Any

import torch
from measured import labels_of, limit, sequential_of, share_right
from pretrained_networks import (
    Judge,
    encoder,
    labelled_training,
    letter_net,
    rounded,
    take_trunk,
    untrained_net,
)
from study import Part, Study, command_line
from torch import nn

from tgan_lib import GAN, data, few_shot, train, zoo
from tgan_lib.features import FeatureNet, load_features
from tgan_lib.metrics import speckle
from tgan_lib.networks import ProjectedDiscriminator
from tgan_lib.transfer import start_from

SEEDS = (0, 1, 2)
READINGS = 4  # of the distance, evenly in steps
WIDTH = 32  # of the GAN of letters, and of the heads
SHARED: dict[str, Any] = {"batch_size": 16, "betas": (0.5, 0.9), "ema_half_life": 1000}
# A plain D has R1; heads with spectral norm have none. The rates are the best of a few in short runs of another seed.
PLAIN: dict[str, Any] = {"learning_rate": (1e-3, 5e-4), "penalties": {"r1": 0.1}, "penalty_every": 4}
PROJECTED: dict[str, Any] = {"learning_rate": (4e-4, 1e-4), "loss": "hinge"}
LOOKS = ("source's D", "fresh D", "mnist-v1", "letters", "untrained")
SCRATCH_RATES = {"mnist-v1": (1e-3, 1e-5), "mnist-v1, quick D": (1e-3, 5e-4)}  # the second is the plain one's
SCRATCH = ("plain", *SCRATCH_RATES)
FEW = ("plain", "digits first", "letters first")
# Where a classifier starts: at random or as a shipped GAN's D; the GAN of letters has half the width, and so have two.
STARTS = ("fresh", "fresh, frozen", "digits' D", "digits' D, frozen", "narrow fresh", "narrow letters' D")
JUDGES = ("mnist-v1", "letters", "cifar10-v1", "glyphs-v1")
ALONG = JUDGES[:2]  # those asked at every reading; the others cost more and are asked at the end
SECONDS, FEW_SECONDS = 14.0, 8.0  # of CPU time, for each run
SAMPLES, REAL, FEW_IMAGES = 1000, 2000, 200
TAPS = (
    "body.8",
    "body.11",
)  # of a network of mnist-v1's shape: maps of 14 and 7 px, and not the first, of 28
LETTER_STEPS, CLASSIFIER_STEPS = 400, 400
PER_CLASS = (5, 20, 100)
LABELLED: dict[str, Any] = {"steps": 100, "batch_size": 20, "rate": 1e-3}


class Runs:
    """What the runs share, and each run."""

    study: Study  # set once it is made: the runs rest on what a step of each costs

    def __init__(self, short: int, samples: int) -> None:
        """`short`: all budgets are divided by it."""
        self.short, self.samples = short, samples
        self.digits = data.load("mnist", limit=limit())
        self.real = data.load("mnist", split="test", limit=limit(REAL))
        self.letters, self.held_out_letters = data.split(data.load("omniglot", size=28, limit=limit()), 0.9)
        self.source = zoo.load("omniglot-dcgan", "cpu")

    @cached_property
    def nets(self) -> dict[str, FeatureNet]:
        return {
            "mnist-v1": load_features("mnist-v1", "cpu"),
            "letters": letter_net(self.letters, max(1, LETTER_STEPS // self.short)),
            "untrained": untrained_net(self.digits.batch(range(min(512, len(self.digits))))),
            "cifar10-v1": load_features("cifar10-v1", "cpu"),
            "glyphs-v1": load_features("glyphs-v1", "cpu"),
        }

    @cached_property
    def judges(self) -> dict[str, Judge]:
        return {name: Judge(self.nets[name], self.real.data) for name in JUDGES}

    @cached_property
    def classifiers(self) -> dict[str, nn.Sequential]:
        """Of a plain D's shape, trained with labels: on all digits, and on all letters."""
        found = {}
        for name, images in {"digits first": self.digits, "letters first": self.letters}.items():
            net = found[name] = encoder(WIDTH, int(labels_of(images).max()) + 1, seed=0)
            labelled_training(net, images, max(1, CLASSIFIER_STEPS // self.short), 64, 1e-3, seed=0)
        return found

    def build(self, group: str, name: str, seed: int) -> tuple[GAN, dict[str, Any]]:
        """A GAN whose D looks or starts as `name` says, and what `train` is given; G is the same for a group."""
        own = group == "features"  # G starts as the letters'
        if name in ("source's D", "fresh D", "plain") or name.endswith("first"):
            gan = start_from(self.source, generator=own, discriminator=name == "source's D", seed=seed)
            if name.endswith("first"):
                take_trunk(sequential_of(gan.discriminator), self.classifiers[name])
            return gan, SHARED | PLAIN
        options = SHARED | PROJECTED
        if group == "scratch":
            options = options | {"learning_rate": SCRATCH_RATES[name]}
        net = self.nets[name if name in self.nets else "mnist-v1"]
        gan = start_from(self.source, generator=own, discriminator=False, seed=seed)
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            d = ProjectedDiscriminator(net, TAPS, size=28, channels=1, width=WIDTH)
        return GAN(gan.generator, d, gan.config), options

    def about_networks(self) -> dict[str, Any]:
        """How good the networks are that others start from or look through, and each judge's floor."""
        train_set = self.digits.subset(range(len(self.real)))
        return {
            "floor": {name: rounded(judge.distance(train_set.data)) for name, judge in self.judges.items()},
            "specks": round(speckle(self.real.data), 3),
            "accuracy": {
                "letters": share_right(self.nets["letters"], self.held_out_letters),
                "digits first": share_right(self.classifiers["digits first"], self.real),
                "letters first": share_right(self.classifiers["letters first"], self.held_out_letters),
            },
        }

    def measured_costs(self, rounds: int = 5, steps: int = 6) -> dict[str, float]:
        """Milliseconds of CPU a step of each kind of D takes: in turns, the median; the first round warms up."""
        taken: dict[str, list[float]] = {name: [] for name in LOOKS}
        for _ in range(rounds):
            for name, times in taken.items():
                gan, options = self.build("features", name, 0)
                started = time.process_time()
                train(gan, self.digits, steps=steps, progress=False, log_every=steps, **options)
                times.append(1000 * (time.process_time() - started) / steps)
        return {name: round(statistics.median(times[1:]), 2) for name, times in taken.items()}

    def run(self, group: str, name: str, images: data.Images, seconds: float, seed: int) -> dict[str, Any]:
        """Train for as many steps as `seconds` are worth, read the distance on the way, and report."""
        looks = "fresh D" if name == "plain" or name.endswith("first") else name.removesuffix(", quick D")
        cost = self.study.found.cell("costs")[looks]
        every = max(1, round(1000 * seconds / self.short / cost / READINGS))
        gan, options = self.build(group, name, seed)
        along: dict[str, list[float]] = {name: [] for name in ALONG}

        def read(gan: GAN) -> float:
            samples = gan.sample(self.samples, seed=1234)
            for name, values in along.items():
                values.append(rounded(self.judges[name].distance(samples)))
            return along[ALONG[0]][-1]

        history = train(
            gan,
            images,
            steps=READINGS * every,
            metric=read,
            metric_every=every,
            seed=seed,
            progress=False,
            **options,
        )
        samples = gan.sample(self.samples, seed=1234)
        last = history.records[-1]
        found = {
            "steps": history.steps("distance"),
            "distance": along,
            "judged": {name: judge.report(samples) for name, judge in self.judges.items()},
            "specks": round(speckle(samples), 3),
            "logits": [round(last["real_logit"], 3), round(last["fake_logit"], 3)],
        }
        print(f"{group}: {name}, seed {seed}: {json.dumps(found)[:300]}", flush=True)
        return found

    def classifier(self, start: str, seed: int) -> dict[str, Any]:
        """Accuracies on held-out digits of classifiers that saw few labels, by images per class."""
        name, _, frozen = start.partition(", ")
        source = {"digits' D": "mnist-dcgan", "narrow letters' D": "omniglot-dcgan"}.get(name)
        found = {}
        for n in PER_CLASS:
            net = encoder(32 if name.startswith("narrow") else 64, 10, seed)
            if source:
                take_trunk(net, sequential_of(zoo.load(source, "cpu").discriminator))
            net[:-1].requires_grad_(not frozen)
            images = few_shot(self.digits, per_class=n if self.short == 1 else min(n, 20), seed=seed)
            labelled_training(
                net, images, **(LABELLED | {"steps": max(1, LABELLED["steps"] // self.short)}), seed=seed
            )
            found[str(n)] = share_right(net, self.real)
        return {"accuracy": found}

    def features(self, d: str, seed: int) -> dict[str, Any]:
        return self.run("features", d, self.digits, SECONDS, seed)

    def scratch(self, d: str, seed: int) -> dict[str, Any]:
        return self.run("scratch", d, self.digits, SECONDS, seed)

    def few(self, d: str, seed: int) -> dict[str, Any]:
        return self.run("few", d, few_shot(self.digits, FEW_IMAGES, seed=seed), FEW_SECONDS, seed)


def make(quick: bool = False) -> Study:
    runs = Runs(400, 100) if quick else Runs(1, SAMPLES)
    settings = {
        "seeds": SEEDS,
        "seconds": SECONDS,
        "few_seconds": FEW_SECONDS,
        "few_images": FEW_IMAGES,
        "samples": runs.samples,
        "real": len(runs.real),
        "per_class": PER_CLASS,
        "labelled": LABELLED,
        "source": "omniglot-dcgan",
        "taps": TAPS,
        "scratch_rates": SCRATCH_RATES,
        "shared": SHARED,
        "plain": PLAIN,
        "projected": PROJECTED,
        "letters": {"images": len(runs.letters), "classes": int(labels_of(runs.letters).max()) + 1},
        "letter_steps": LETTER_STEPS,
        "classifier_steps": CLASSIFIER_STEPS,
        "threads": torch.get_num_threads(),
    }
    turns = (2, 1) if quick else (5, 6)
    runs.study = Study(
        "pretrained_discriminators",
        {"d": LOOKS, "seed": SEEDS},
        settings,
        runs.features,
        before=[
            Part("networks", {}, runs.about_networks),
            Part("costs", {}, lambda: runs.measured_costs(*turns)),
        ],
        after=[
            Part("start", {"start": STARTS, "seed": SEEDS}, runs.classifier),
            Part("scratch", {"d": SCRATCH, "seed": SEEDS}, runs.scratch),
            Part("few", {"d": FEW, "seed": SEEDS}, runs.few),
        ],
        smallest={"d": ("mnist-v1", "digits first")} if quick else None,
    )
    return runs.study


if __name__ == "__main__":
    command_line(make)
