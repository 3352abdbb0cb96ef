"""Chapter 11's study: a D that looks through a pre-trained network, a classifier that starts as a D, and the reverse.

    python book/studies/pretrained_discriminators.py [--quick] [--out FILE]

"features": a GAN of letters is to draw MNIST's digits. Its G is the start of all; D is the letters' own, a fresh one,
or one that looks through a frozen network: mnist-v1, one of the same shape that has learnt letters, or one that has
learnt nothing. All get the same CPU seconds, as steps = seconds / cost of a step, and the costs are measured first,
in turns. Samples are judged through four networks, two of which were in a D. "scratch": the same with a fresh G.
"start": a classifier of few labels that starts as a GAN's D. "few": a D that starts as a classifier, a fresh G, and a
few digits.

Each run is stored when it is done, and the script can be stopped and started again.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
from adaptation import stored
from study import RESULTS, run_cells
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from tgan_lib import GAN, data, few_shot, train, zoo
from tgan_lib.chapters.fine_tuning import accuracy
from tgan_lib.features import DigitNet, FeatureNet, extract, load_features
from tgan_lib.metrics import frechet_between, moments, prdc, speckle
from tgan_lib.networks import ProjectedDiscriminator
from tgan_lib.networks.dcgan import dcgan_encoder
from tgan_lib.transfer import start_from
from tgan_lib.zoo.recipes_features import train_classifier

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
GROUPS = {"features": LOOKS, "start": STARTS, "scratch": SCRATCH, "few": FEW}
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


def letter_net(letters: data.Images, steps: int) -> FeatureNet:
    """A network of mnist-v1's shape that tells Omniglot's characters apart and has seen no digit."""
    torch.manual_seed(0)
    net = DigitNet()
    net.n_classes = int(letters.labels.max()) + 1
    net.head = nn.Linear(net.n_features, net.n_classes)
    train_classifier(net, letters, steps=steps, batch_size=64, pixels=2, seed=0)
    return net.requires_grad_(False)


def untrained_net(images: Tensor) -> FeatureNet:
    """A network of mnist-v1's shape that knows nothing: random weights, its norms' statistics those of `images`."""
    torch.manual_seed(0)
    net = DigitNet().train()
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None  # the plain mean over what passes
    with torch.no_grad():
        net(images)
    return net.requires_grad_(False).eval()


def labelled_training(
    net: nn.Module, images: data.Images, steps: int, batch_size: int, rate: float, seed: int
) -> None:
    """Train what of `net` may train to name the classes of `images`."""
    optimiser = torch.optim.Adam([p for p in net.parameters() if p.requires_grad], rate)
    sampler = data.Sampler(len(images), batch_size, seed=seed)
    for _ in range(steps):
        indices = sampler.next()
        loss = cross_entropy(net(images.batch(indices)), images.labels[indices])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()


def encoder(width: int, outputs: int, seed: int) -> nn.Sequential:
    """A network of a plain D's shape, with PyTorch's own starting weights, which suit a classifier better."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return dcgan_encoder(28, 1, width, outputs, init="default")


def take_trunk(target: nn.Sequential, source: nn.Sequential) -> None:
    """Every layer but the last starts as the source's."""
    target[:-1].load_state_dict(source[:-1].state_dict())


class Judge:
    """A feature network and what it sees in real images."""

    def __init__(self, net: FeatureNet, real: Tensor) -> None:
        self.net = net
        self.real = extract(net, real)[0]
        self.mean, self.cov = moments(self.real)

    def distance(self, samples: Tensor) -> float:
        return frechet_between(*moments(extract(self.net, samples)[0]), self.mean, self.cov)

    def report(self, samples: Tensor) -> dict[str, float]:
        """Distance, precision and recall (k = 3, as many real images as samples)."""
        fake = extract(self.net, samples)[0]
        found = prdc(self.real[: len(fake)], fake, 3)
        return {
            "distance": rounded(frechet_between(*moments(fake), self.mean, self.cov)),
            "precision": round(found.precision, 4),
            "recall": round(found.recall, 4),
        }


def rounded(value: float) -> float:
    return float(f"{value:.4g}")


class Study:
    """The cells by name, and how each is computed."""

    def __init__(self, short: int) -> None:
        """`short`: all budgets are divided by it, for development."""
        self.short = short
        self.digits = data.load("mnist")
        self.real = data.load("mnist", split="test", limit=REAL)
        self.letters, self.held_out_letters = data.split(data.load("omniglot", size=28), 0.9)
        self.source = zoo.load("omniglot-dcgan", "cpu")
        self.costs: dict[str, float] = {}

    @cached_property
    def nets(self) -> dict[str, FeatureNet]:
        return {
            "mnist-v1": load_features("mnist-v1", "cpu"),
            "letters": letter_net(self.letters, LETTER_STEPS // self.short),
            "untrained": untrained_net(self.digits.batch(range(512))),
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
            net = found[name] = encoder(WIDTH, int(images.labels.max()) + 1, seed=0)
            labelled_training(net, images, CLASSIFIER_STEPS // self.short, 64, 1e-3, seed=0)
        return found

    def build(self, group: str, name: str, seed: int) -> tuple[GAN, dict[str, Any]]:
        """A GAN whose D looks or starts as `name` says, and what `train` is given; G is the same for a group."""
        own = group == "features"  # G starts as the letters'
        if name in ("source's D", "fresh D", "plain") or name.endswith("first"):
            gan = start_from(self.source, generator=own, discriminator=name == "source's D", seed=seed)
            if name.endswith("first"):
                take_trunk(gan.discriminator.net, self.classifiers[name])
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
        train_set = self.digits.subset(range(REAL))
        return {
            "floor": {name: rounded(judge.distance(train_set.data)) for name, judge in self.judges.items()},
            "specks": round(speckle(self.real.data), 3),
            "accuracy": {
                "letters": round(
                    accuracy(self.nets["letters"], self.held_out_letters.data, self.held_out_letters.labels),
                    4,
                ),
                "digits first": round(
                    accuracy(self.classifiers["digits first"], self.real.data, self.real.labels), 4
                ),
                "letters first": round(
                    accuracy(
                        self.classifiers["letters first"],
                        self.held_out_letters.data,
                        self.held_out_letters.labels,
                    ),
                    4,
                ),
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
        cost = self.costs[
            "fresh D" if name == "plain" or name.endswith("first") else name.removesuffix(", quick D")
        ]
        every = max(1, round(1000 * seconds / self.short / cost / READINGS))
        gan, options = self.build(group, name, seed)
        along: dict[str, list[float]] = {name: [] for name in ALONG}

        def read(gan: GAN) -> float:
            samples = gan.sample(SAMPLES, seed=1234)
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
        samples = gan.sample(SAMPLES, seed=1234)
        last = history.records[-1]
        return {
            "steps": history.steps("distance"),
            "distance": along,
            "judged": {name: judge.report(samples) for name, judge in self.judges.items()},
            "specks": round(speckle(samples), 3),
            "logits": [round(last["real_logit"], 3), round(last["fake_logit"], 3)],
        }

    def start(self, start: str, seed: int) -> dict[str, Any]:
        """Accuracies on held-out digits of classifiers that saw few labels, by images per class."""
        name, _, frozen = start.partition(", ")
        source = {"digits' D": "mnist-dcgan", "narrow letters' D": "omniglot-dcgan"}.get(name)
        found = {}
        for n in PER_CLASS:
            net = encoder(32 if name.startswith("narrow") else 64, 10, seed)
            if source:
                take_trunk(net, zoo.load(source, "cpu").discriminator.net)
            net[:-1].requires_grad_(not frozen)
            images = few_shot(self.digits, per_class=n, seed=seed)
            labelled_training(
                net, images, **(LABELLED | {"steps": LABELLED["steps"] // self.short}), seed=seed
            )
            found[str(n)] = round(accuracy(net, self.real.data, self.real.labels), 4)
        return {"accuracy": found}

    def names(self) -> list[str]:
        """Seeds outermost within a group: should the script be stopped, every kind has been run equally often."""
        return [
            f"{group}: {name} seed {seed}"
            for group, names in GROUPS.items()
            for seed in SEEDS
            for name in names
        ]

    def compute(self, cell: str) -> dict[str, Any]:
        if cell == "networks":
            return self.about_networks()
        if cell == "costs":
            return self.measured_costs()
        group, _, rest = cell.partition(": ")
        name, number = rest.split(" seed ")
        seed = int(number)
        if group == "start":
            found = self.start(name, seed)
        elif group == "few":
            found = self.run(group, name, few_shot(self.digits, FEW_IMAGES, seed=seed), FEW_SECONDS, seed)
        else:
            found = self.run(group, name, self.digits, SECONDS, seed)
        print(f"{cell}: {json.dumps(found)[:300]}", flush=True)
        return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a fortieth of everything, one seed: give --out")
    parser.add_argument("--out", type=Path, default=RESULTS / "pretrained_discriminators.json")
    arguments = parser.parse_args()
    study = Study(40 if arguments.quick else 1)
    settings = {
        "seeds": list(SEEDS),
        "seconds": SECONDS,
        "few_seconds": FEW_SECONDS,
        "few_images": FEW_IMAGES,
        "samples": SAMPLES,
        "real": len(study.real),
        "per_class": list(PER_CLASS),
        "labelled": LABELLED,
        "source": "omniglot-dcgan",
        "taps": list(TAPS),
        "scratch_rates": stored(SCRATCH_RATES),
        "shared": stored(SHARED),
        "plain": stored(PLAIN),
        "projected": stored(PROJECTED),
        "letters": {"images": len(study.letters), "classes": int(study.letters.labels.max()) + 1},
        "letter_steps": LETTER_STEPS,
        "classifier_steps": CLASSIFIER_STEPS,
        "threads": torch.get_num_threads(),
    }
    names = study.names()
    if arguments.quick:
        names = [name for name in names if name.endswith("seed 0")]
    script = "book/studies/pretrained_discriminators.py"
    first = run_cells(arguments.out, script, settings, ["networks", "costs"], study.compute)
    study.costs = first["cells"]["costs"]
    found = run_cells(arguments.out, script, settings, names, study.compute)
    print(f"{len(found['cells'])} cells")


if __name__ == "__main__":
    main()
