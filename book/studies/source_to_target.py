"""Chapter 9's study: from MNIST's digits to Omniglot's letters with every start, and what the settings change.

    python book/studies/source_to_target.py [--quick] [--out FILE]

All runs train on the 500 letters of the pool and are measured against the 500 held out, at the steps in AT, which are
dense where transfer is quick. "scratch", "G only", "D only" and "both" say which halves start as the source's; scratch
is given four times the others' steps. The groups after the first change one thing each. A step is `Run.one_step`,
which is `train`'s, so that a chapter that calls `train` with a cell's settings gets its numbers.

Each run is stored when it is done, and the script can be stopped and started again.
"""

from __future__ import annotations

import argparse
import copy
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from adaptation import FEATURES, SAMPLES, TRAINED, Pair, digits_to_letters, spread, stored
from study import RESULTS, run_cells
from torch import Tensor
from torch.nn.functional import cosine_similarity, normalize, softplus

from tgan_lib import GAN, Distance, data, train
from tgan_lib.metrics import frechet_between, moments, prdc
from tgan_lib.training.settings import Settings
from tgan_lib.training.step import Run
from tgan_lib.training.terms import Step, Term
from tgan_lib.training.train import own_random_state
from tgan_lib.transfer import start_from

SEEDS = (0, 1, 2)
AT = (0, 10, 25, 50, 100, 200, 300, 500, 750, 1000, 1500, 2000)
STARTS = {"scratch": (False, False), "G only": (True, False), "D only": (False, True), "both": (True, True)}
SCRATCH_STEPS, STEPS = 2000, 500
OTHER_STEPS = {
    "both, rates x0.3": 300,
    "both, rates x3": 300,
    "both, betas": 300,
    "both, source as fakes": 200,
    "both, source as reals": 200,
}
RATES = {"rates x0.3": 0.3, "rates x3": 3.0}  # times TRAINED's, both players'
OTHER_BETAS = (0.9, 0.999)
REPLAY_WEIGHT = 0.5
SOURCE_STEPS, MOMENT_STEPS = 100, 100  # on the source, to have moments to carry, and then on the target
MLP = {"network": "mlp", "size": 28, "channels": 1, "latent_dim": 64, "width": 64}
MLP_SOURCE = {"steps": 4000, "batch_size": 64, "learning_rate": (1e-3, 5e-4), "betas": (0.5, 0.9)}


class Replay(Term):
    """The frozen source's samples, shown to the target's D: as further fakes, or as further reals."""

    side = "discriminator"

    def __init__(self, source: GAN, as_real: bool, weight: float) -> None:
        self.generator, self.as_real, self.weight = copy.deepcopy(source.ema), as_real, weight

    def __call__(self, step: Step) -> Tensor:
        """weight * softplus(D(source's G(z))), with a minus inside where they are to pass as real."""
        with torch.no_grad():
            shown = self.generator(step.z)
        logits = step.gan.discriminator(shown)
        return self.weight * softplus(-logits if self.as_real else logits).mean()

    def settings(self) -> dict[str, Any]:
        return {"name": "replay", "as_real": self.as_real, "weight": self.weight}


def settings_of(trained: dict[str, Any], seed: int) -> Settings:
    """What `train` would make of its arguments."""
    given = {name: value for name, value in trained.items() if name != "learning_rate"}
    return Settings(learning_rates=trained["learning_rate"], seed=seed, **given)


def told(gan: GAN, x: Tensor, z: Tensor) -> dict[str, float]:
    """What D says of letters and of G's images, and what it tells G, averaged over the images.

    G's images are as in a training step (the batch's own statistics), its running statistics are left alone. push: the
    length of the gradient of G's loss at an image. alike: the cosine between the gradients at two different images,
    1 when every image is pushed the same way. towards: the cosine between where an image is pushed, against that
    gradient, and where the mean letter lies from it.
    """
    with torch.no_grad():
        fake = copy.deepcopy(gan.generator).train()(z)
        real_logits = gan.discriminator(x)
    fake.requires_grad_()
    fake_logits = gan.discriminator(fake)
    push = torch.autograd.grad(softplus(-fake_logits).sum(), fake)[0].flatten(1)
    n, total = len(push), normalize(push).sum(0).square().sum()
    found = {
        "real_logit": real_logits.mean(),
        "fake_logit": fake_logits.mean(),
        "push": push.norm(dim=1).mean(),
        "alike": (total - n) / (n * (n - 1)),
        "towards": cosine_similarity(-push, (x.mean(0) - fake.detach()).flatten(1)).mean(),
    }
    return {name: float(value.detach()) for name, value in found.items()}


class Reader:
    """The readings at the steps `at`: distance, spread (as a multiple of the letters' own), and what `told` says."""

    def __init__(self, distance: Distance, letters: Tensor, at: Iterable[int]) -> None:
        self.distance, self.letters, self.at = distance, letters, tuple(at)
        self.spread = spread(distance.real)

    def __call__(self, gan: GAN, everything: bool) -> dict[str, float]:
        fake = self.distance.sampled(gan)
        found = {
            "distance": frechet_between(*moments(fake), self.distance.mean, self.distance.cov),
            "spread": spread(fake) / self.spread,
        }
        return (
            found | told(gan, self.letters, gan.latents(len(self.letters), seed=1)) if everything else found
        )

    def run(self, run: Run, steps: int, everything: bool = False) -> dict[str, list[float]]:
        """Move `run` on by `steps`; the columns of its readings, rounded."""
        rows = []
        with own_random_state(run.gan, run.settings.seed):
            for step in range(steps + 1):
                if step:
                    run.one_step()
                if step in self.at:
                    rows.append(self(run.gan, everything))
        return {name: [float(f"{row[name]:.4g}") for row in rows] for name in rows[0]}


def started(source: GAN, start: str, seed: int) -> GAN:
    generator, discriminator = STARTS[start]
    return start_from(source, generator=generator, discriminator=discriminator, seed=seed)


def with_fresh_head(gan: GAN, seed: int) -> GAN:
    """The last layer of D drawn anew, as a DCGAN's is: it knows all that it knew, and has no view."""
    head = gan.discriminator.net[-1]
    with torch.no_grad():
        head.weight.copy_(
            0.02 * torch.randn(head.weight.shape, generator=torch.Generator().manual_seed(seed))
        )
        head.bias.zero_()
    return gan


def cover(gan: GAN, distance: Distance) -> dict[str, float]:
    """Precision and recall (k = 3) of as many samples as there are letters held out."""
    found = prdc(distance.real, distance.sampled(gan)[: len(distance.real)], 3)
    return {"precision": round(found.precision, 4), "recall": round(found.recall, 4)}


def moments_carried(
    source: GAN, digits: data.Images, pool: data.Images, read: Reader, trained: dict[str, Any], seed: int
) -> dict[str, list[float]]:
    """Adam's moments, and its count of steps, carried over from the source's training or begun anew.

    The source trains on for a little, so that there are moments; both targets start from where it then is.
    """
    gan = start_from(source, seed=seed)
    before = Run(gan, digits, settings_of(trained, seed))
    with own_random_state(gan, seed):
        for _ in range(SOURCE_STEPS):
            before.one_step()
    found = {}
    for name in ("fresh", "carried"):
        target = copy.deepcopy(gan)
        target.restart_average()
        run = Run(target, pool, settings_of(trained, seed))
        if name == "carried":
            run.g_optimiser.load_state_dict(copy.deepcopy(before.g_optimiser.state_dict()))
            run.d_optimiser.load_state_dict(copy.deepcopy(before.d_optimiser.state_dict()))
        found[name] = read.run(run, MOMENT_STEPS)["distance"]
    return found


def mlp_source(digits: data.Images, steps: int) -> GAN:
    """A narrow MLP GAN of digits, always the same."""
    gan = GAN.build(**MLP, seed=0)
    train(gan, digits, progress=False, seed=0, **(MLP_SOURCE | {"steps": steps}))
    return gan


class Study:
    """The cells by name, and how each is computed."""

    def __init__(self, pair: Pair, digits: data.Images, short: int) -> None:
        """`short`: every number of steps is divided by it, for development."""
        self.pair, self.digits, self.short = pair, digits, short
        self.distance = pair.distance()
        self.read = Reader(self.distance, pair.held_out.batch(range(100)), AT)
        self.mlp: GAN | None = None

    def names(self) -> list[str]:
        """Seeds outermost within a group: should the script be stopped, every setting has been run equally often."""
        settings = [f"both, {name}" for name in (*RATES, "betas")]
        replays = ["both, source as fakes", "both, source as reals"]
        groups = [
            list(STARTS),
            ["D only, fresh head", *settings, *replays],
            ["moments", "moments, betas"],
            [f"mlp {start}" for start in STARTS],
            ["scratch, rates x3"],
        ]
        return [f"{name} seed {seed}" for group in groups for seed in SEEDS for name in group]

    def compute(self, cell: str) -> dict[str, Any]:
        name, number = cell.split(" seed ")
        seed = int(number)
        if name.startswith("moments"):
            trained = TRAINED | ({"betas": OTHER_BETAS} if name.endswith("betas") else {})
            found: dict[str, Any] = moments_carried(
                self.pair.source, self.digits, self.pair.pool, self.read, trained, seed
            )
            print(f"{cell}: {found}", flush=True)
            return found
        start, _, change = name.removeprefix("mlp ").partition(", ")
        source = self.pair.source
        if name.startswith("mlp"):
            self.mlp = self.mlp or mlp_source(self.digits, MLP_SOURCE["steps"] // self.short)
            source = self.mlp
        gan, trained, terms = started(source, start, seed), dict(TRAINED), []
        if change == "fresh head":
            with_fresh_head(gan, seed)
        elif change == "betas":
            trained["betas"] = OTHER_BETAS
        elif change in RATES:
            trained["learning_rate"] = tuple(RATES[change] * rate for rate in TRAINED["learning_rate"])
        elif change:
            terms = [Replay(source, change.endswith("reals"), REPLAY_WEIGHT)]
        steps = steps_of(name) // self.short
        run = Run(gan, self.pair.pool, settings_of(trained, seed), terms=terms)
        found = self.read.run(run, steps, everything=name in STARTS or change == "fresh head")
        if name in STARTS:
            found |= cover(gan, self.distance)
        print(f"{cell}: {found['distance']}", flush=True)
        return found


def steps_of(name: str) -> int:
    """How many steps a run has, by its name without the seed."""
    if name.startswith("moments"):
        return MOMENT_STEPS
    return OTHER_STEPS.get(name, SCRATCH_STEPS if name.removeprefix("mlp ") == "scratch" else STEPS)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a fiftieth of the steps, one seed: give --out")
    parser.add_argument("--out", type=Path, default=RESULTS / "source_to_target.json")
    arguments = parser.parse_args()
    study = Study(digits_to_letters(), data.load("mnist"), 50 if arguments.quick else 1)
    names = study.names()
    if arguments.quick:
        names = [name for name in names if name.endswith("seed 0") and not name.startswith("moments")]
    pool, held_out = study.pair.pool, study.pair.held_out
    settings = {
        "at": list(AT),
        "steps": {name: steps_of(name) for name in dict.fromkeys(cell.split(" seed ")[0] for cell in names)},
        "seeds": list(SEEDS),
        "images": len(pool),
        "held_out": len(held_out),
        "samples": SAMPLES,
        "features": FEATURES,
        "floor": round(study.distance.of_images(pool.data), 2),
        "source_distance": round(study.distance(study.pair.source), 2),
        "trained": stored(TRAINED),
        "rates": RATES,
        "betas": list(OTHER_BETAS),
        "replay_weight": REPLAY_WEIGHT,
        "moments": {"source_steps": SOURCE_STEPS, "target_steps": MOMENT_STEPS},
        "mlp": MLP,
        "mlp_source": stored(MLP_SOURCE),
        "threads": torch.get_num_threads(),
    }
    found = run_cells(arguments.out, "book/studies/source_to_target.py", settings, names, study.compute)
    print(f"{len(found['cells'])} cells")


if __name__ == "__main__":
    main()
