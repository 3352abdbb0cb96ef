"""Chapter 9's study: from MNIST's digits to Omniglot's letters with every start, and what the settings change.

    python book/studies/source_to_target.py [--quick]

All runs train on the 500 letters of the pool and are measured against the 500 held out, at the steps in AT, which are
dense where transfer is quick. "scratch", "G only", "D only" and "both" say which halves start as the source's; scratch
is given four times the others' steps. The groups after the first change one thing each. A step is `Run.one_step`,
which is `train`'s, so that a chapter that calls `train` with a cell's settings gets its numbers.

Each run is stored when it is done, and the script can be stopped and started again.
"""

from __future__ import annotations

import copy
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from adaptation import FEATURES, SAMPLES, TRAINED, digits_to_letters, spread
from measured import limit, sequential_of
from study import Part, Study, command_line
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
RATES = {"rates x0.3": 0.3, "rates x3": 3.0}  # times TRAINED's, both players'
OTHER_BETAS = (0.9, 0.999)
REPLAY_WEIGHT = 0.5
SOURCE_STEPS, MOMENT_STEPS = 100, 100  # on the source, to have moments to carry, and then on the target
MLP: dict[str, Any] = {"network": "mlp", "size": 28, "channels": 1, "latent_dim": 64, "width": 64}
MLP_SOURCE: dict[str, Any] = {
    "steps": 4000,
    "batch_size": 64,
    "learning_rate": (1e-3, 5e-4),
    "betas": (0.5, 0.9),
}


@dataclass(frozen=True)
class Setting:
    """What a run starts from, what it changes, and its steps."""

    start: str
    change: str = ""
    steps: int = STEPS
    mlp: bool = False


REPLAYS = {"source as fakes": False, "source as reals": True}
SETTINGS = {
    **{start: Setting(start, steps=SCRATCH_STEPS if start == "scratch" else STEPS) for start in STARTS},
    "D only, fresh head": Setting("D only", "fresh head"),
    **{f"both, {change}": Setting("both", change, 300) for change in (*RATES, "betas")},
    **{f"both, {change}": Setting("both", change, 200) for change in REPLAYS},
    **{
        f"mlp {start}": Setting(start, steps=SCRATCH_STEPS if start == "scratch" else STEPS, mlp=True)
        for start in STARTS
    },
    "scratch, rates x3": Setting("scratch", "rates x3"),
}
MOMENTS = {"moments": TRAINED["betas"], "moments, betas": OTHER_BETAS}


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
    head = sequential_of(gan.discriminator)[-1]
    weight, bias = head.get_parameter("weight"), head.get_parameter("bias")
    with torch.no_grad():
        weight.copy_(0.02 * torch.randn(weight.shape, generator=torch.Generator().manual_seed(seed)))
        bias.zero_()
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


class Runs:
    """What the runs share, and each run. `short`: every number of steps is divided by it."""

    def __init__(self, short: int, samples: int) -> None:
        self.short, self.pair, self.digits = short, digits_to_letters(), data.load("mnist", limit=limit())
        self.distance = self.pair.distance(samples)
        self.read = Reader(self.distance, self.pair.held_out.batch(range(100)), AT)

    @cached_property
    def mlp(self) -> GAN:
        """A narrow MLP GAN of digits, always the same."""
        gan = GAN.build(**MLP, seed=0)
        train(
            gan,
            self.digits,
            progress=False,
            seed=0,
            **(MLP_SOURCE | {"steps": MLP_SOURCE["steps"] // self.short}),
        )
        return gan

    def moments(self, setting: str, seed: int) -> dict[str, Any]:
        trained = TRAINED | {"betas": MOMENTS[setting]}
        return moments_carried(self.pair.source, self.digits, self.pair.pool, self.read, trained, seed)

    def one(self, setting: str, seed: int) -> dict[str, Any]:
        plan = SETTINGS[setting]
        source = self.mlp if plan.mlp else self.pair.source
        gan, trained, terms = started(source, plan.start, seed), dict(TRAINED), []
        if plan.change == "fresh head":
            with_fresh_head(gan, seed)
        elif plan.change == "betas":
            trained["betas"] = OTHER_BETAS
        elif plan.change in RATES:
            trained["learning_rate"] = tuple(RATES[plan.change] * rate for rate in TRAINED["learning_rate"])
        elif plan.change:
            terms = [Replay(source, REPLAYS[plan.change], REPLAY_WEIGHT)]
        run = Run(gan, self.pair.pool, settings_of(trained, seed), terms=terms)
        found: dict[str, Any] = self.read.run(
            run, plan.steps // self.short, everything=setting in STARTS or plan.change == "fresh head"
        )
        if setting in STARTS:
            found |= cover(gan, self.distance)
        print(f"{setting}, seed {seed}: {found['distance']}", flush=True)
        return found


def make(quick: bool = False) -> Study:
    runs = Runs(100, 100) if quick else Runs(1, SAMPLES)
    pair = runs.pair
    settings = {
        "at": AT,
        "steps": {name: plan.steps for name, plan in SETTINGS.items()} | dict.fromkeys(MOMENTS, MOMENT_STEPS),
        "seeds": SEEDS,
        "images": len(pair.pool),
        "held_out": len(pair.held_out),
        "samples": runs.distance.n,
        "features": FEATURES,
        "floor": round(runs.distance.of_images(pair.pool.data), 2),
        "source_distance": round(runs.distance(pair.source), 2),
        "trained": TRAINED,
        "rates": RATES,
        "betas": OTHER_BETAS,
        "replay_weight": REPLAY_WEIGHT,
        "moments": {"source_steps": SOURCE_STEPS, "target_steps": MOMENT_STEPS},
        "mlp": MLP,
        "mlp_source": MLP_SOURCE,
        "threads": torch.get_num_threads(),
    }
    return Study(
        "source_to_target",
        {"setting": tuple(SETTINGS), "seed": SEEDS},
        settings,
        runs.one,
        after=[Part("moments", {"setting": tuple(MOMENTS), "seed": SEEDS}, runs.moments)],
        smallest={"setting": ("D only, fresh head", "both, source as reals")} if quick else None,
    )


if __name__ == "__main__":
    command_line(make)
