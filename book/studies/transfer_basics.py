"""Chapter 8's study: a ResNet-18 from five classes of CIFAR-10 to the other five, six ways, 5 to 4 000 images a class.

    python book/studies/transfer_basics.py [--quick]

The source is trained first, exactly as the chapter trains it, and kept in the cache folder. Each cell is a way, a
number of images and a seed, which picks the images, the order of batches and the fresh weights. A cell tries
three settings, chooses by images for validation, as many as it trains on, and asks the test set once. With all
images it takes over what it chose with 100 a class.

Each cell is stored when it is done, and the script can be stopped and started again.
"""

from __future__ import annotations

import time
from functools import cached_property
from typing import Any, NamedTuple

import torch
from measured import labels_of, share_right
from study import CACHE, Part, Study, command_line
from torch import Tensor, nn

from tgan_lib import data
from tgan_lib.chapters.fine_tuning import (
    PARTS,
    ResNet18,
    accuracy,
    batches,
    fit,
    only_classes,
    outputs,
    parameter_groups,
    part_of,
    shared_and_new,
    take_over,
    training_mode,
)

SEEDS = (1, 2, 3)  # 0 is the source's: its fresh head would be the one that the source's began with
SOURCE = ("truck", "cat", "deer", "ship", "frog")
TARGET = ("automobile", "dog", "horse", "airplane", "bird")  # the source's kin, in the same order
WIDTH = 16
EPOCHS, SOURCE_BATCH, SOURCE_RATE = 4, 64, 0.05
STEPS, BATCH = 100, 32
ALL_EPOCHS, ALL_BATCH = 1, 64
IMAGES = (5, 20, 100, "all")
LONGER, LONGER_WAYS = 4, ("scratch", "all")  # times the steps, with 100 images of each class
RATES = (0.01, 0.03, 0.1)
STRENGTHS = (0.003, 0.03, 0.3)
FACTOR = 2.6
BETA = 0.01
STRATEGIES = ("scratch", "frozen", "all", "discriminative", "L2", "L2-SP")


class Setting(NamedTuple):
    """What a way may choose: the head's rate, and a penalty's strength."""

    rate: float
    alpha: float = 0.0


def prepared(
    way: str, source: dict[str, Tensor], seed: int, width: int
) -> tuple[nn.Module, dict[str, Tensor]]:
    """A network that is ready to learn five classes, and where its weights began (nothing for scratch)."""
    net = ResNet18(len(TARGET), width=width, seed=seed)
    start = {} if way == "scratch" else take_over(net, source)
    if way == "frozen":
        net.requires_grad_(False)
        net.fc.requires_grad_(True)
    return training_mode(net), start


def features(net: nn.Module, images: data.Images) -> data.Images | tuple[Tensor, Tensor]:
    """What the head sees of the images and of their mirror images, and the labels: (2N, d), (2N,)."""
    head, net.fc = net.fc, nn.Identity()
    found = torch.cat([outputs(net, images.data), outputs(net, images.data.flip(3))])
    net.fc = head
    return found, labels_of(images).repeat(2)


def learn(
    way: str,
    setting: Setting,
    few: data.Images,
    source: dict[str, Tensor],
    seed: int,
    steps: int,
    batch_size: int,
    width: int = WIDTH,
) -> tuple[nn.Module, dict[str, Tensor]]:
    """A network that has learnt the few images in this way, and where its weights began."""
    net, start = prepared(way, source, seed, width)
    if way == "frozen":
        draw = batches(features(net, few), batch_size, seed)
        fit(net.get_submodule("fc"), draw, parameter_groups(net, setting.rate), steps)
        return net, start
    groups = parameter_groups(net, setting.rate, FACTOR if way == "discriminative" else 1.0)
    penalties = {
        "L2": lambda: shared_and_new(net, None, setting.alpha, BETA),
        "L2-SP": lambda: shared_and_new(net, start, setting.alpha, BETA),
    }
    return fit(net, batches(few, batch_size, seed), groups, steps, penalties.get(way)), start


def moved(net: nn.Module, start: dict[str, Tensor]) -> dict[str, float]:
    """How far each part's weights are from where they began, as a share of their length then."""
    found = {}
    for part in PARTS[:-1]:
        names = [name for name, _ in net.named_parameters() if part_of(name) == part]
        now = torch.cat([net.get_parameter(name).detach().flatten() for name in names])
        then = torch.cat([start[name].flatten() for name in names])
        found[part] = round(float((now - then).norm() / then.norm()), 4)
    return found


class Runs:
    """The data, the source, and how each cell is computed."""

    study: Study  # set once it is made: a cell rests on what others chose

    def __init__(self, quick: bool) -> None:
        self.quick = quick
        train, test = data.load("cifar10", device="cpu"), data.load("cifar10", device="cpu", split="test")
        self.data = train.source
        drawn = train.class_names  # a quick run has no animals
        self.classes = (drawn[:5], drawn[5:]) if quick else (SOURCE, TARGET)
        self.source_train, self.source_test = (only_classes(part, self.classes[0]) for part in (train, test))
        self.pool, self.held_back = data.split(only_classes(train, self.classes[1]), 0.8)
        self.test = only_classes(test, self.classes[1])
        if quick:
            self.test, self.source_test = (part.subset(range(100)) for part in (self.test, self.source_test))
        self.steps = 2 if quick else STEPS

    @cached_property
    def snapshots(self) -> list[dict[str, Tensor]]:
        """The source before training and after each epoch, from the cache or made now."""
        path = CACHE / f"transfer_basics_source_{WIDTH}_{EPOCHS}_{SOURCE_RATE}.pt"
        if path.exists() and not self.quick:
            return torch.load(path, weights_only=True)
        net = ResNet18(len(SOURCE), width=WIDTH, seed=0)
        found = [{name: tensor.clone() for name, tensor in net.state_dict().items()}]
        steps = EPOCHS * (1 if self.quick else len(self.source_train) // SOURCE_BATCH)

        def keep(step: int) -> None:
            if step % (steps // EPOCHS) == 0:
                found.append({name: tensor.clone() for name, tensor in net.state_dict().items()})
                print(f"source, step {step}: {time.thread_time():.0f} s", flush=True)

        draw = batches(self.source_train, SOURCE_BATCH, seed=0)
        fit(training_mode(net), draw, parameter_groups(net, SOURCE_RATE), steps, after=keep)
        if not self.quick:
            path.parent.mkdir(parents=True, exist_ok=True)
            torch.save(found, path)
        return found

    def parts(self, n: int | str, seed: int) -> tuple[data.Images, data.Images]:
        """The images to learn from and those to choose by; n is a number of each class, or "all"."""
        pair = (self.pool, self.held_back)
        if isinstance(n, str):
            return pair
        few, validation = (
            data.few_shot(part, per_class=min(n, 20) if self.quick else n, seed=seed) for part in pair
        )
        return few, validation

    def tries(self, way: str, n: int | str, seed: int) -> list[Setting]:
        """Three rates; or for a penalty three strengths, at the rate that plain fine-tuning chose."""
        if n == "all":
            return self.chosen(way, 100, seed)
        if way in ("L2", "L2-SP"):
            return [Setting(self.chosen("all", n, seed)[0].rate, alpha) for alpha in STRENGTHS]
        return [Setting(rate) for rate in RATES]

    def chosen(self, way: str, n: int | str, seed: int) -> list[Setting]:
        """What another cell chose."""
        return [Setting(*self.study.found.cell(way=way, n=n, seed=seed)["chosen"])]

    def one(self, way: str, n: int | str, seed: int) -> dict[str, Any]:
        few, validation = self.parts(n, seed)
        steps, batch_size = self.steps, BATCH
        if n == "all" and not self.quick:
            steps, batch_size = ALL_EPOCHS * (len(few) // ALL_BATCH), ALL_BATCH
        return self.best(way, self.tries(way, n, seed), few, validation, seed, steps, batch_size)

    def longer(self, way: str, seed: int) -> dict[str, Any]:
        """With 100 images of each class, for LONGER times the steps."""
        tries = self.chosen(way, 100, seed)
        return self.best(way, tries, *self.parts(100, seed), seed, LONGER * self.steps, BATCH)

    def best(
        self,
        way: str,
        tries: list[Setting],
        few: data.Images,
        validation: data.Images,
        seed: int,
        steps: int,
        batch_size: int,
    ) -> dict[str, Any]:
        """Of some settings the one that does best on the images for validation, and what the test set says of it."""
        learnt = [learn(way, setting, few, self.snapshots[-1], seed, steps, batch_size) for setting in tries]
        scores = [accuracy(net, validation.data, labels_of(validation)) for net, _ in learnt]
        best = scores.index(max(scores))  # the first of equals
        net, start = learnt[best]
        found = {
            "chosen": list(tries[best]),
            "validation": [round(score, 4) for score in scores],
            "train": share_right(net, few.subset(range(min(5000, len(few))))),
            "test": share_right(net, self.test),
        } | ({"moved": moved(net, start)} if start else {})
        print(f"{way}, seed {seed}: {found}", flush=True)
        return found

    def source(self, seed: int) -> dict[str, Any]:
        """For the source before training and after each epoch: its own test accuracy, and that of a head on it."""
        own, transferred = [], []
        few, _ = self.parts(20, seed)
        for state in self.snapshots:
            net: nn.Module = ResNet18(len(SOURCE), width=WIDTH)
            net.load_state_dict(state)
            if seed == SEEDS[0]:
                own.append(share_right(net, self.source_test))
            rate = self.chosen("frozen", 20, seed)[0].rate
            net, _ = learn("frozen", Setting(rate), few, state, seed, self.steps, BATCH)
            transferred.append(share_right(net, self.test))
        return {"own": own, "frozen_20": transferred}


def make(quick: bool = False) -> Study:
    runs = Runs(quick)
    settings = {
        "source_classes": runs.classes[0],
        "target_classes": runs.classes[1],
        "width": WIDTH,
        "source": {
            "epochs": EPOCHS,
            "batch": SOURCE_BATCH,
            "rate": SOURCE_RATE,
            "images": len(runs.source_train),
        },
        "images": IMAGES,
        "pool": len(runs.pool),
        "validation": len(runs.held_back),
        "test": len(runs.test),
        "steps": STEPS,
        "batch": BATCH,
        "all": {"epochs": ALL_EPOCHS, "batch": ALL_BATCH},
        "longer": LONGER,
        "rates": RATES,
        "strengths": STRENGTHS,
        "factor": FACTOR,
        "beta": BETA,
        "ways": STRATEGIES,
        "seeds": SEEDS,
        "threads": torch.get_num_threads(),
        "data": runs.data,
    }
    runs.study = Study(
        "transfer_basics",
        {"way": STRATEGIES, "n": (100, 20, 5, "all"), "seed": SEEDS},
        settings,
        runs.one,
        after=[
            Part("source", {"seed": SEEDS}, runs.source),
            Part("longer", {"way": LONGER_WAYS, "seed": SEEDS}, runs.longer),
        ],
        smallest={"way": ("scratch", "frozen", "all", "L2-SP"), "n": (20, 100)} if quick else None,
    )
    return runs.study


if __name__ == "__main__":
    command_line(make)
