"""Chapter 8's study: a ResNet-18 from five classes of CIFAR-10 to the other five, six ways, 5 to 4 000 images a class.

    python book/studies/transfer_basics.py [--quick] [--cache FOLDER] [--out FILE]

The source is trained first, exactly as the chapter trains it, and kept in the cache folder. Each cell is a way, a
number of images and a seed, which picks the images, the order of batches and the fresh weights. A cell tries
three settings, chooses by images for validation, as many as it trains on, and asks the test set once. With all
images it takes over what it chose with 100 a class.

Each cell is stored when it is done, and the script can be stopped and started again.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path
from typing import Any, NamedTuple

import torch
from study import RESULTS, run_cells
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
    return found, images.labels.repeat(2)


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
        fit(net.fc, draw, parameter_groups(net, setting.rate), steps)
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


class Study:
    """The data, the source, and how each cell is computed."""

    def __init__(self, cache: Path, quick: bool) -> None:
        self.quick, self.cache = quick, cache
        train, test = data.load("cifar10", device="cpu"), data.load("cifar10", device="cpu", split="test")
        self.data = train.source
        self.source_train, self.source_test = (only_classes(part, SOURCE) for part in (train, test))
        self.pool, self.held_back = data.split(only_classes(train, TARGET), 0.8)
        self.test = only_classes(test, TARGET)
        self.steps = 4 if quick else STEPS
        self.cells: dict[str, Any] = {}

    def snapshots(self) -> list[dict[str, Tensor]]:
        """The source before training and after each epoch, from the cache or made now."""
        path = self.cache / f"transfer_basics_source_{WIDTH}_{EPOCHS}_{SOURCE_RATE}.pt"
        if path.exists() and not self.quick:
            return torch.load(path, weights_only=True)
        net = ResNet18(len(SOURCE), width=WIDTH, seed=0)
        found = [{name: tensor.clone() for name, tensor in net.state_dict().items()}]
        steps = EPOCHS * (len(self.source_train) // SOURCE_BATCH)

        def keep(step: int) -> None:
            if step % (steps // EPOCHS) == 0:
                found.append({name: tensor.clone() for name, tensor in net.state_dict().items()})
                print(f"source, step {step}: {time.thread_time():.0f} s", flush=True)

        draw = batches(self.source_train, SOURCE_BATCH, seed=0)
        if self.quick:
            steps = EPOCHS * 2
        fit(training_mode(net), draw, parameter_groups(net, SOURCE_RATE), steps, after=keep)
        if not self.quick:
            self.cache.mkdir(parents=True, exist_ok=True)
            torch.save(found, path)
        return found

    def parts(self, n: str, seed: int) -> tuple[data.Images, data.Images]:
        """The images to learn from and those to choose by; n is "5", "20", "100", "100 longer" or "all"."""
        pair = (self.pool, self.held_back)
        if n == "all":
            return pair
        few, validation = (data.few_shot(part, per_class=int(n.split()[0]), seed=seed) for part in pair)
        return few, validation

    def compute(self, cell: str) -> dict[str, Any]:
        if cell.startswith("source seed"):
            return self.about_source(int(cell.split()[-1]))
        way, rest = cell.split(", ")
        n, _, seed = rest.partition(" seed ")
        found = self.one(way, n, int(seed))
        print(f"{cell}: {found}", flush=True)
        self.cells[cell] = found
        return found

    def tries(self, way: str, n: str, seed: int) -> list[Setting]:
        """Three rates; or for a penalty three strengths, at the rate that plain fine-tuning chose."""
        if n == "all" or n.endswith("longer"):
            return [Setting(*self.cells[f"{way}, 100 seed {seed}"]["chosen"])]
        if way in ("L2", "L2-SP"):
            rate = self.cells[f"all, {n} seed {seed}"]["chosen"][0]
            return [Setting(rate, alpha) for alpha in STRENGTHS]
        return [Setting(rate) for rate in RATES]

    def one(self, way: str, n: str, seed: int) -> dict[str, Any]:
        few, validation = self.parts(n, seed)
        steps, batch_size = self.steps * (LONGER if n.endswith("longer") else 1), BATCH
        if n == "all" and not self.quick:
            steps, batch_size = ALL_EPOCHS * (len(few) // ALL_BATCH), ALL_BATCH
        settings = self.tries(way, n, seed)
        learnt = [learn(way, setting, few, self.source, seed, steps, batch_size) for setting in settings]
        scores = [accuracy(net, validation.data, validation.labels) for net, _ in learnt]
        best = scores.index(max(scores))  # the first of equals
        net, start = learnt[best]
        return {
            "chosen": list(settings[best]),
            "validation": [round(score, 4) for score in scores],
            "train": round(accuracy(net, few.data[:5000], few.labels[:5000]), 4),
            "test": round(accuracy(net, self.test.data, self.test.labels), 4),
        } | ({"moved": moved(net, start)} if start else {})

    def about_source(self, seed: int) -> dict[str, Any]:
        """For the source before training and after each epoch: its own test accuracy, and that of a head on it."""
        own, transferred = [], []
        few, _ = self.parts("20", seed)
        for state in self.source_snapshots:
            net = ResNet18(len(SOURCE), width=WIDTH)
            net.load_state_dict(state)
            if seed == SEEDS[0]:
                own.append(round(accuracy(net, self.source_test.data, self.source_test.labels), 4))
            rate = self.cells[f"frozen, 20 seed {seed}"]["chosen"][0]
            net, _ = learn("frozen", Setting(rate), few, state, seed, self.steps, BATCH)
            transferred.append(round(accuracy(net, self.test.data, self.test.labels), 4))
        return {"own": own, "frozen_20": transferred}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a few steps, one seed: give --out")
    parser.add_argument("--source", action="store_true", help="train the source, and stop")
    parser.add_argument("--cache", type=Path, default=Path.home() / ".cache" / "tgan_lib")
    parser.add_argument("--out", type=Path, default=RESULTS / "transfer_basics.json")
    arguments = parser.parse_args()
    study = Study(arguments.cache, arguments.quick)
    study.source_snapshots = study.snapshots()
    study.source = study.source_snapshots[-1]
    if arguments.source:
        return
    seeds = SEEDS[:1] if arguments.quick else SEEDS
    # seeds outermost within a number of images: should the script be stopped, every way has been run equally often
    names = [f"{way}, {n} seed {seed}" for n in (100, 20, 5) for seed in seeds for way in STRATEGIES]
    names += [f"source seed {seed}" for seed in seeds]
    names += [f"{way}, all seed {seed}" for seed in seeds for way in STRATEGIES]
    names += [f"{way}, 100 longer seed {seed}" for seed in seeds for way in LONGER_WAYS]
    settings = {
        "source_classes": list(SOURCE),
        "target_classes": list(TARGET),
        "width": WIDTH,
        "source": {
            "epochs": EPOCHS,
            "batch": SOURCE_BATCH,
            "rate": SOURCE_RATE,
            "images": len(study.source_train),
        },
        "images": list(IMAGES),
        "pool": len(study.pool),
        "validation": len(study.held_back),
        "test": len(study.test),
        "steps": STEPS,
        "batch": BATCH,
        "all": {"epochs": ALL_EPOCHS, "batch": ALL_BATCH},
        "longer": LONGER,
        "rates": list(RATES),
        "strengths": list(STRENGTHS),
        "factor": FACTOR,
        "beta": BETA,
        "ways": list(STRATEGIES),
        "seeds": list(SEEDS),
        "threads": torch.get_num_threads(),
        "data": study.data,
    }
    if arguments.out.exists():
        study.cells = json.loads(arguments.out.read_text())["cells"]
    run_cells(arguments.out, "book/studies/transfer_basics.py", settings, names, study.compute)


if __name__ == "__main__":
    main()
