"""Chapter 4's study on two mixtures in the plane: nine recipes of loss, penalty and clipping.

    python book/studies/loss_atlas.py [--quick]

Three parts, each stored cell by cell. Costs: the processor's milliseconds for a step, recipes taking turns, so that
whatever else the machine does meanwhile slows them alike. Rates: one short run of each recipe at each learning
rate, with a seed of its own. Runs: every recipe at its best rate, read at equal steps and at equal cost: a recipe's
share of the steps is the cost of a non-saturating step over its own.
"""

from __future__ import annotations

import time
from functools import partial
from typing import Any

import torch
from measured import medians
from study import Part, Study, command_line
from torch import Tensor, nn

from tgan_lib.losses import LOSSES
from tgan_lib.metrics import mixture_modes
from tgan_lib.penalties import PENALTIES, clip_weights

# Options of `train` by name; what is not said is its default. Wasserstein's critics take five steps for one of G, as
# published. The limit of the clip and the penalties' weights did best of two or three tried, with one seed each.
RECIPES: dict[str, dict[str, Any]] = {
    "minimax": {"loss": "minimax"},
    "non-saturating": {"loss": "non_saturating"},
    "non-saturating, R1": {"loss": "non_saturating", "penalties": {"r1": 0.1}},
    "least squares": {"loss": "least_squares"},
    "hinge": {"loss": "hinge"},
    "Wasserstein, clipped": {"loss": "wasserstein", "clip": 0.1, "d_steps": 5},
    "Wasserstein, GP": {"loss": "wasserstein", "penalties": {"wgan_gp": 1.0}, "d_steps": 5},
    "relativistic": {"loss": "relativistic"},
    "relativistic, R1 + R2": {"loss": "relativistic", "penalties": {"r1": 0.1, "r2": 0.1}},
}
BASE = "non-saturating"  # what costs are compared with
SEEDS = (0, 1, 2, 3, 4)
TUNING_SEED = 100
RATES = (1e-3, 3e-3, 1e-2, 3e-2)
# For each mixture the steps of the cheapest loss: of a run, at which runs are also read, and of a try at a rate.
MIXTURES = {"ring-8": (1200, 400, 300), "grid-25": (4000, 1200, 1000)}
BETAS = (0.5, 0.9)


def mixture_centres(name: str) -> tuple[Tensor, float]:
    """A mixture's centres (k, 2) and the standard deviation of its modes."""
    if name == "ring-8":
        angle = torch.arange(8) * torch.pi / 4
        return 2 * torch.stack([angle.cos(), angle.sin()], dim=1), 0.05
    line = torch.arange(-2.0, 3.0)
    return torch.cartesian_prod(line, line), 0.05


def toy_mlp(outputs: int) -> nn.Module:
    """From the plane to `outputs` numbers, through two hidden layers."""
    hidden = [nn.Linear(2, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU()]
    return nn.Sequential(*hidden, nn.Linear(64, outputs))


class ToyGAN:
    """Two small MLPs on a mixture in the plane, under any recipe of this chapter."""

    def __init__(self, data: str, recipe: dict[str, Any], rate: float, seed: int = 0) -> None:
        torch.manual_seed(seed)
        self.centres, self.std = mixture_centres(data)
        self.loss = LOSSES[recipe["loss"]]
        self.penalties = recipe.get("penalties", {})
        self.clip, self.d_steps = recipe.get("clip"), recipe.get("d_steps", 1)
        self.g, self.d = toy_mlp(2), nn.Sequential(toy_mlp(1), nn.Flatten(0))
        self.adam_g = torch.optim.Adam(self.g.parameters(), rate, betas=(0.5, 0.9))
        self.adam_d = torch.optim.Adam(self.d.parameters(), rate, betas=(0.5, 0.9))

    def real(self, n: int) -> Tensor:
        which = torch.randint(len(self.centres), (n,))
        return self.centres[which] + self.std * torch.randn(n, 2)

    def step(self, n: int = 128) -> None:
        for _ in range(self.d_steps):
            x, fake = self.real(n), self.g(torch.randn(n, 2))
            d_loss = self.loss.discriminator(self.d(x), self.d(fake.detach()))
            for name, weight in self.penalties.items():
                d_loss = d_loss + weight * PENALTIES[name](self.d, x, fake.detach(), None)
            self.adam_d.zero_grad()
            d_loss.backward()
            self.adam_d.step()
            if self.clip is not None:
                clip_weights(self.d, self.clip)
        real_logits = self.d(x).detach() if self.loss.needs_real else None
        g_loss = self.loss.generator(self.d(fake), real_logits)
        self.adam_g.zero_grad()
        g_loss.backward(inputs=list(self.g.parameters()))
        self.adam_g.step()


@torch.no_grad()
def read_modes(toy: ToyGAN, n: int = 2500) -> tuple[int, float]:
    """How many modes `n` samples cover, and the share of samples that are good."""
    z = torch.randn(n, 2, generator=torch.Generator().manual_seed(1))
    return mixture_modes(toy.g(z), toy.centres, toy.std)


def costs(rounds: int, steps: int = 10) -> dict[str, float]:
    """Milliseconds of a step of each recipe: the median of `rounds`, in each of which all take their turn."""
    toys = {name: ToyGAN("ring-8", recipe, 1e-4) for name, recipe in RECIPES.items()}

    def milliseconds(toy: ToyGAN) -> float:
        began = time.process_time()
        for _ in range(steps):
            toy.step()
        return 1000 * (time.process_time() - began) / steps

    return medians({name: partial(milliseconds, toy) for name, toy in toys.items()}, rounds)


def run(data: str, name: str, rate: float, seed: int, steps: int, every: int, fair: int) -> dict[str, Any]:
    """One run, read every so many steps and at step `fair`. Numbers that overflow are bad samples, and counted."""
    toy = ToyGAN(data, RECIPES[name], rate, seed)
    covered, quality, at_fair = [], [], [0, 0.0]
    for step in range(1, steps + 1):
        toy.step()
        if step % every == 0 or step == fair:
            modes, good = read_modes(toy)
            if step == fair:
                at_fair = [modes, round(good, 4)]
            if step % every == 0:
                covered.append(modes)
                quality.append(round(good, 3))
    return {"covered": covered, "quality": quality, "fair_step": fair, "at_fair": at_fair}


def score(cell: dict[str, Any], modes: int) -> float:
    """What the best rate is chosen by: share of modes times share of good samples, over the last three readings."""
    pairs = list(zip(cell["covered"], cell["quality"], strict=True))[-3:]
    return sum(c / modes * q for c, q in pairs) / len(pairs)


def make(quick: bool = False) -> Study:
    every, rounds = (10, 1) if quick else (100, 10)
    lengths = dict.fromkeys(MIXTURES, (30, 10, 10)) if quick else MIXTURES
    settings = {
        "recipes": RECIPES, "seeds": SEEDS, "tuning_seed": TUNING_SEED, "rates": RATES,
        "mixtures": tuple(MIXTURES), "steps": {data: steps for data, (steps, _, _) in lengths.items()},
        "equal_steps": {data: equal for data, (_, equal, _) in lengths.items()},
        "tuning_steps": {data: tuning for data, (_, _, tuning) in lengths.items()}, "every": every,
        "batch": 128, "samples": 2500, "base": BASE,
    }  # fmt: skip

    def fair(recipe: str, steps: int) -> int:
        """As many steps of a recipe as cost what `steps` of the cheapest do."""
        cost = study.found.cell("costs")
        return max(3, round(cost[BASE] / cost[recipe] * steps))

    def tune(mixture: str, recipe: str, rate: float, seed: int) -> dict[str, Any]:
        length = fair(recipe, lengths[mixture][2])
        ended = run(mixture, recipe, rate, seed, length, max(1, length // 10), 0)
        return {"score": round(score(ended, len(mixture_centres(mixture)[0])), 4)}

    def compute(mixture: str, recipe: str, seed: int) -> dict[str, Any]:
        scores = study.found.array("score", part="rates", mixture=mixture, recipe=recipe)[:, 0]
        rate, (longest, equal, _) = RATES[int(scores.argmax())], lengths[mixture]
        length = max(equal, fair(recipe, longest))  # equal steps, and equal cost
        return {"rate": rate, **run(mixture, recipe, rate, seed, length, every, fair(recipe, longest))}

    axes: dict[str, Any] = {"mixture": tuple(MIXTURES), "recipe": tuple(RECIPES)}
    study = Study(
        "loss_atlas",
        axes | {"seed": SEEDS},
        settings,
        compute,
        before=[
            Part("costs", {}, lambda: costs(rounds)),
            Part("rates", axes | {"rate": RATES, "seed": (TUNING_SEED,)}, tune),
        ],
        smallest={"recipe": ("minimax", "Wasserstein, GP"), "rate": RATES[:2]} if quick else None,
    )
    return study


if __name__ == "__main__":
    command_line(make)
