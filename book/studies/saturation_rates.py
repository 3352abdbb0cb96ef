"""Chapter 2's other runs: any rate for plain gradient descent, long games with samples judged, and a ring of modes.

    python book/studies/saturation_rates.py [--quick] [--only loss=minimax]

The game is that of saturation.py, an MLP GAN on MNIST, and so are its states. Three experiments, each with every seed:
  rates   from the D that was trained alone: G with SGD, any of three losses, rates from far too small to far too large
  long    the same beginning, and a fresh one, for as many steps as the chapter's own runs
  ring    two small networks on a ring of eight modes, from fresh ones, both losses with Adam: which modes are reached?
"loud" is the minimax loss with the scale that it has lost: the weights of its images, divided by their sum.
"""

from __future__ import annotations

import math
from functools import partial
from typing import Any

import torch
from measured import distance_of, limit
from saturation import ADAM, ALONE, OPTIMISERS, SEEDS, Game, g_loss
from study import Part, Study, command_line
from torch import Tensor, nn
from torch.nn.functional import logsigmoid

from tgan_lib import Distance, data

RATES = (0.1, 0.3, 1.0, 3.0, 10.0, 30.0)
RATE_STEPS = 300
LONG_STEPS, EVERY = 3000, 10
# Where the long game begins, G's loss, its optimiser and that one's options.
LONG: dict[str, tuple[str, str, str, dict[str, Any]]] = {
    "sure, minimax, SGD": ("sure", "minimax", "SGD", {"lr": 0.3}),
    "sure, minimax, SGD at 1": ("sure", "minimax", "SGD", {"lr": 1.0}),
    "sure, non-saturating, SGD": ("sure", "non-saturating", "SGD", {"lr": 0.3}),
    "sure, minimax, Adam": ("sure", "minimax", "Adam", ADAM),
    "sure, non-saturating, Adam": ("sure", "non-saturating", "Adam", ADAM),
    "fresh, minimax, SGD": ("fresh", "minimax", "SGD", {"lr": 0.3}),
    "fresh, non-saturating, SGD": ("fresh", "non-saturating", "SGD", {"lr": 0.3}),
    "fresh, minimax, Adam": ("fresh", "minimax", "Adam", ADAM),
    "fresh, non-saturating, Adam": ("fresh", "non-saturating", "Adam", ADAM),
}
FLAT = 0.98  # a pixel beyond is in the flat ends of G's tanh

RING_SEEDS = (0, 1, 2, 3, 4)
ANGLES = torch.arange(8) * math.tau / 8
CENTRES = 2 * torch.stack([ANGLES.cos(), ANGLES.sin()], 1)
SPREAD = 0.1  # of a mode
RING_ADAM: dict[str, Any] = {"lr": 1e-3, "betas": (0.5, 0.999)}
ROUNDS, READ, POINTS = 3000, 250, 2000
GOOD, REACHED = 3, 0.01  # in spreads from the next mode; the share of good points that makes a mode reached


def loss_of(name: str, logits: Tensor) -> Tensor:
    if name != "loud":
        return g_loss(name, logits)
    return -(logsigmoid(logits).softmax(0).detach() * logits).sum()


def turns(game: Game, loss: str, optimiser: torch.optim.Optimizer, steps: int) -> list[float]:
    """Both players in turns, as in saturation.py; D's mean logit of a batch, every EVERY steps."""
    found = []
    for step in range(steps):
        logit = game.both(partial(loss_of, loss), optimiser)
        if step % EVERY == 0:
            found.append(round(logit, 3))
    return found


@torch.no_grad()
def drawn(game: Game, real: Tensor) -> dict[str, float]:
    """Of G's images: the share of pixels in the flat ends of its tanh, and how much they differ (real ones: 1)."""
    x = game.gan.generator(torch.randn(500, 64, generator=torch.Generator().manual_seed(6)))
    return {
        "flat": round(float((x.abs() > FLAT).float().mean()), 4),
        "differ": round(float(x.std(0).mean() / real.std(0).mean()), 4),
    }


def ring_network(outputs: int) -> nn.Sequential:
    layers = [nn.Linear(2, 64), nn.SiLU(), nn.Linear(64, 64), nn.SiLU(), nn.Linear(64, outputs)]
    return nn.Sequential(*layers, *([nn.Flatten(0)] if outputs == 1 else []))


@torch.no_grad()
def modes_of(points: Tensor) -> dict[str, float]:
    """Modes that are reached, the share of points that are good, and the share of the good ones in the poorest mode."""
    apart, mode = torch.cdist(points, CENTRES).min(1)
    good = apart < GOOD * SPREAD
    shares = torch.bincount(mode[good], minlength=8) / max(int(good.sum()), 1)
    return {
        "modes": int((shares > REACHED).sum()),
        "good": round(float(good.float().mean()), 4),
        "poorest": round(float(shares.min()), 4),
    }


def ring(loss: str, seed: int, rounds: int) -> dict[str, list[float]]:
    torch.manual_seed(seed)
    g, d = ring_network(2), ring_network(1)
    g_optimiser, d_optimiser = (torch.optim.Adam(net.parameters(), **RING_ADAM) for net in (g, d))
    look = torch.randn(POINTS, 2, generator=torch.Generator().manual_seed(5))
    found: dict[str, list[float]] = {"modes": [], "good": [], "poorest": []}
    for turn in range(1, rounds + 1):
        x = CENTRES[torch.randint(8, (256,))] + SPREAD * torch.randn(256, 2)
        fake = g(torch.randn(256, 2))
        d_loss = -(logsigmoid(d(x)).mean() + logsigmoid(-d(fake.detach())).mean())
        d_optimiser.zero_grad()
        d_loss.backward()
        d_optimiser.step()
        g_optimiser.zero_grad()
        g_loss(loss, d(fake)).backward()
        g_optimiser.step()
        if turn % min(READ, rounds) == 0:
            for name, value in modes_of(g(look)).items():
                found[name].append(value)
    return found


def make(quick: bool = False) -> Study:
    shorter = 100 if quick else 1
    images = data.load("mnist", device="cpu", limit=limit())
    distance = Distance(data.load("mnist", device="cpu", limit=limit(10_000)), n=100 if quick else 1000)
    real = images.batch(torch.arange(min(500, len(images))))
    begun: dict[tuple[str, int], Game] = {}

    def beginning(state: str, seed: int) -> Game:
        if (state, seed) not in begun:
            begun[state, seed] = game = Game(images, seed)
            if state == "sure":
                game.alone(ALONE // shorter)
        return begun[state, seed].fork()

    def at_rate(loss: str, rate: float, seed: int) -> dict[str, Any]:
        game = beginning("sure", seed)
        sgd = torch.optim.SGD(game.gan.generator.parameters(), lr=rate)
        return {"logits": turns(game, loss, sgd, RATE_STEPS // shorter)} | drawn(game, real)

    def long(recipe: str, seed: int) -> dict[str, Any]:
        state, loss, optimiser, options = LONG[recipe]
        game = beginning(state, seed)
        g_optimiser = OPTIMISERS[optimiser](game.gan.generator.parameters(), **options)
        found: dict[str, Any] = {"logits": turns(game, loss, g_optimiser, LONG_STEPS // shorter)}
        samples = game.gan.sample(distance.n, seed=distance.seed, ema=False)
        return found | {"distance": round(distance_of(distance, samples), 1)} | drawn(game, real)

    def on_ring(loss: str, seed: int) -> dict[str, Any]:
        return ring(loss, seed, ROUNDS // shorter)

    settings = {
        "seeds": SEEDS,
        "alone": ALONE // shorter,
        "rates": RATES,
        "rate_steps": RATE_STEPS // shorter,
        "long": LONG,
        "long_steps": LONG_STEPS // shorter,
        "every": EVERY,
        "flat": FLAT,
        "ring": {"adam": RING_ADAM, "rounds": ROUNDS // shorter, "every": READ, "seeds": RING_SEEDS},
        "ring_counts": {"spread": SPREAD, "good": GOOD, "reached": REACHED, "points": POINTS},
        "samples": distance.n,
        "features": distance.features,
        "data": images.name,
    }
    losses = ("minimax", "non-saturating", "loud")
    return Study(
        "saturation_rates",
        {"loss": losses, "rate": RATES, "seed": SEEDS},
        settings,
        at_rate,
        before=[Part("ring", {"loss": losses[:2], "seed": RING_SEEDS}, on_ring)],
        after=[Part("long", {"recipe": tuple(LONG), "seed": SEEDS}, long)],
        smallest={} if quick else None,
    )


if __name__ == "__main__":
    command_line(make)
