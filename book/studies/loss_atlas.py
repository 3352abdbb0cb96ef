"""Chapter 4's study on two mixtures in the plane: ten recipes of loss, penalty, clipping and optimiser.

    python book/studies/loss_atlas.py [--quick]

Costs: the processor's milliseconds for a step, recipes taking turns, so that whatever else the machine does meanwhile
slows them alike. The main part: every recipe at every rate with every seed, trained until its counts rest, or nearly
so, and read twenty times on the way.

The runs of one recipe differ in rate and seed only. They are trained side by side, as one batch of small networks,
which takes less than half of the time; a run sees nothing of the others. A quick run trains them all, and stores one.
"""

from __future__ import annotations

import base64
import time
from functools import partial
from itertools import pairwise
from typing import Any

import torch
from measured import medians
from study import Part, Study, command_line
from torch import Tensor, nn

from tgan_lib.losses import LOSSES
from tgan_lib.metrics import mixture_modes
from tgan_lib.penalties import PENALTIES, clip_weights

# What is not said is the default: Adam, one step of D for one of G, nothing that holds D back. Wasserstein's critics
# take five steps, as published. The limit of the clip and the penalties' weights did best of two or three tried, with
# one seed each and Adam.
RECIPES: dict[str, dict[str, Any]] = {
    "minimax": {"loss": "minimax"},
    "non-saturating": {"loss": "non_saturating"},
    "non-saturating, R1": {"loss": "non_saturating", "penalties": {"r1": 0.1}},
    "least squares": {"loss": "least_squares"},
    "hinge": {"loss": "hinge"},
    "Wasserstein, clipped": {"loss": "wasserstein", "clip": 0.1, "d_steps": 5},
    "Wasserstein, clipped, RMSProp": {"loss": "wasserstein", "clip": 0.1, "d_steps": 5, "optimiser": "RMSProp"},
    "Wasserstein, GP": {"loss": "wasserstein", "penalties": {"wgan_gp": 1.0}, "d_steps": 5},
    "relativistic": {"loss": "relativistic"},
    "relativistic, R1 + R2": {"loss": "relativistic", "penalties": {"r1": 0.1, "r2": 0.1}},
}  # fmt: skip
BASE = "non-saturating"  # what costs are compared with
SEEDS = (0, 1, 2)
TUNING_SEED = 100  # of the study on images, which chooses its rates with a seed of their own
RATES = (3e-3, 1e-2)
BETAS = (0.5, 0.9)
# For each mixture the steps of a run with one step of D for one of G, and with five.
MIXTURES = {"ring-8": (2500, 1200), "grid-25": (5000, 2000)}
READINGS = 20
BATCH = 64


def mixture_centres(name: str) -> tuple[Tensor, float]:
    """A mixture's centres (k, 2) and the standard deviation of its modes."""
    if name == "ring-8":
        angle = torch.arange(8) * torch.pi / 4
        return 2 * torch.stack([angle.cos(), angle.sin()], dim=1), 0.05
    line = torch.arange(-2.0, 3.0)
    return torch.cartesian_prod(line, line), 0.05


class SideBySide(nn.Module):
    """One small MLP for each run: (runs * n, 2) -> (runs * n, outputs), the first n through the first of them."""

    def __init__(self, runs: int, outputs: int) -> None:
        super().__init__()
        self.runs, sizes = runs, (2, 64, 64, outputs)
        self.layers = nn.ParameterList()
        for a, b in pairwise(sizes):
            self.layers.append((torch.rand(runs, a, b) * 2 - 1) / a**0.5)
            self.layers.append((torch.rand(runs, 1, b) * 2 - 1) / a**0.5)

    def forward(self, x: Tensor) -> Tensor:
        w1, b1, w2, b2, w3, b3 = self.layers
        x = torch.baddbmm(b1, x.view(self.runs, -1, 2), w1).relu()
        x = torch.baddbmm(b2, x, w2).relu()
        return torch.baddbmm(b3, x, w3).flatten(0, 1).squeeze(1)


class Rated:
    """Adam, or RMSProp as PyTorch has it, with a rate for each run."""

    def __init__(self, network: nn.Module, rates: Tensor, optimiser: str) -> None:
        self.parameters, self.rates, self.adam, self.steps = (
            list(network.parameters()),
            rates,
            optimiser == "Adam",
            0,
        )
        self.first, self.second = ([torch.zeros_like(p) for p in self.parameters] for _ in range(2))

    @torch.no_grad()
    def step(self) -> None:
        self.steps += 1
        b1, b2 = BETAS if self.adam else (0.0, 0.99)
        c1, c2 = (1 - b1**self.steps, 1 - b2**self.steps) if self.adam else (1.0, 1.0)
        for p, m, v in zip(self.parameters, self.first, self.second, strict=True):
            assert p.grad is not None
            m.lerp_(p.grad, 1 - b1)
            v.mul_(b2).addcmul_(p.grad, p.grad, value=1 - b2)
            p.addcdiv_(self.rates / c1 * m, (v / c2).sqrt_().add_(1e-8), value=-1)
            p.grad = None


class ToyGAN:
    """Small MLPs on a mixture in the plane under one recipe, a run for each rate given."""

    def __init__(self, data: str, recipe: dict[str, Any], rates: list[float], seed: int = 0) -> None:
        torch.manual_seed(seed)
        self.runs, (self.centres, self.std) = len(rates), mixture_centres(data)
        self.loss, self.penalties = LOSSES[recipe["loss"]], recipe.get("penalties", {})
        self.clip, self.d_steps = recipe.get("clip"), recipe.get("d_steps", 1)
        self.g, self.d = SideBySide(self.runs, 2), SideBySide(self.runs, 1)
        each = torch.tensor(rates).view(-1, 1, 1), recipe.get("optimiser", "Adam")
        self.turn_g, self.turn_d = Rated(self.g, *each), Rated(self.d, *each)

    def real(self, n: int) -> Tensor:
        which = torch.randint(len(self.centres), (n,))
        return self.centres[which] + self.std * torch.randn(n, 2)

    def step(self, n: int = 64) -> None:
        n = n * self.runs
        for _ in range(self.d_steps):
            x, fake = self.real(n), self.g(torch.randn(n, 2))
            d_loss = self.loss.discriminator(self.d(x), self.d(fake.detach()))
            for name, weight in self.penalties.items():
                d_loss = d_loss + weight * PENALTIES[name](self.d, x, fake.detach(), None)
            (self.runs * d_loss).backward()  # the mean is over all runs; each has its own
            self.turn_d.step()
            if self.clip is not None:
                clip_weights(self.d, self.clip)
        real_logits = self.d(x).detach() if self.loss.needs_real else None
        g_loss = self.loss.generator(self.d(fake), real_logits)
        (self.runs * g_loss).backward(inputs=list(self.g.parameters()))
        self.turn_g.step()

    @torch.no_grad()
    def sample(self, n: int) -> Tensor:
        """(runs, n, 2), always from the same latents."""
        z = torch.randn(n, 2, generator=torch.Generator().manual_seed(1))
        return self.g(z.repeat(self.runs, 1)).view(self.runs, n, 2)


def read_modes(toy: ToyGAN, n: int = 2500) -> list[tuple[int, float]]:
    """Of each run: how many modes its samples cover, and the share of samples that are good."""
    return [mixture_modes(samples, toy.centres, toy.std) for samples in toy.sample(n)]


def costs(rounds: int, steps: int = 10) -> dict[str, float]:
    """Milliseconds of a step of each recipe: the median of `rounds`, in each of which all take their turn."""
    toys = {name: ToyGAN("ring-8", recipe, [1e-4]) for name, recipe in RECIPES.items()}

    def milliseconds(toy: ToyGAN) -> float:
        began = time.process_time()
        for _ in range(steps):
            toy.step()
        return 1000 * (time.process_time() - began) / steps

    return medians({name: partial(milliseconds, toy) for name, toy in toys.items()}, rounds)


def packed(samples: Tensor) -> str:
    """Points (n, 2) in fortieths, a byte each, as text; what lies beyond 3.2 stands at the border."""
    bytes_ = (
        (40 * samples).nan_to_num(127, 127, -128).round().clamp(-128, 127).to(torch.int8).numpy().tobytes()
    )
    return base64.b64encode(bytes_).decode()


def together(data: str, recipe: dict[str, Any], steps: int, seeds: int) -> dict[tuple[float, int], Any]:
    """All runs of a recipe, by rate and seed: modes and share of good samples by reading, and samples at the end."""
    places = [(rate, seed) for rate in RATES for seed in range(seeds)]
    toy = ToyGAN(data, recipe, [rate for rate, _ in places])
    found: dict[tuple[float, int], Any] = {place: {"covered": [], "good": []} for place in places}
    for step in range(1, steps + 1):
        toy.step()
        if step % (steps // READINGS) == 0:
            for place, (modes, good) in zip(places, read_modes(toy), strict=True):
                found[place]["covered"].append(modes)
                found[place]["good"].append(round(good, 3))
    for place, samples in zip(places, toy.sample(300), strict=True):
        found[place]["samples"] = packed(samples)
    return found


def make(quick: bool = False) -> Study:
    short = 2 * READINGS
    mixtures = dict.fromkeys(MIXTURES, (short, short)) if quick else MIXTURES
    settings = {
        "recipes": RECIPES, "seeds": SEEDS, "rates": RATES, "mixtures": tuple(MIXTURES), "readings": READINGS,
        "steps": {data: steps for data, (steps, _) in mixtures.items()},
        "critic_steps": {data: steps for data, (_, steps) in mixtures.items()},
        "batch": BATCH, "samples": 2500, "base": BASE,
    }  # fmt: skip
    known: dict[tuple[str, ...], dict[tuple[float, int], Any]] = {}

    def compute(mixture: str, recipe: str, rate: float, seed: int) -> dict[str, Any]:
        if (mixture, recipe) not in known:
            taken = mixtures[mixture][RECIPES[recipe].get("d_steps", 1) > 1]
            known[mixture, recipe] = together(mixture, RECIPES[recipe], taken, len(SEEDS))
        found: dict[str, Any] = known[mixture, recipe][rate, seed]
        return found

    each: dict[str, Any] = {"rate": RATES, "seed": SEEDS}
    return Study(
        "loss_atlas",
        {"mixture": tuple(MIXTURES), "recipe": tuple(RECIPES), **each},
        settings,
        compute,
        before=[Part("costs", {}, lambda: costs(1 if quick else 8))],
        smallest={"recipe": ("minimax", "Wasserstein, GP", "Wasserstein, clipped, RMSProp")}
        if quick
        else None,
    )


if __name__ == "__main__":
    command_line(make)
