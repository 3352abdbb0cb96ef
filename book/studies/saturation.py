"""Chapter 2's runs over seeds: both generator losses, from the very same D that is sure of itself.

    python book/studies/saturation.py [--quick] [--only state=fresh]

An MLP GAN on MNIST. The game begins in one of four states: with a fresh D; with a D that was trained alone against
the untrained G; and with that same D, its last layer multiplied so that its mean logit of a generated image is -20
or -30. From there both players go on, and G has one of the recipes: a loss, and an optimiser. D's is Adam
throughout. The loop is the one that the chapter shows.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from measured import distance_of, limit, sequential_of
from study import Study, command_line
from torch import Tensor, nn
from torch.nn.functional import softplus

from tgan_lib import GAN, Distance, data

SEEDS = (0, 1, 2)
ALONE = 1000  # D's steps before the game, but for the fresh one
# The state in which the game begins -> the mean logit that D is brought to (None: left as it is), steps of the game
STATES: dict[str, tuple[float | None, int]] = {
    "fresh": (None, 1000),
    "sure": (None, 1000),
    "surer": (-20.0, 200),
    "surest": (-30.0, 200),
}
ADAM: dict[str, Any] = {"lr": 5e-4, "betas": (0.5, 0.999)}
# G's loss, and its optimiser. Among 0.1, 0.3, 1 and 3, in runs of 400 steps with one seed, SGD's rate 0.3 was the
# largest with which the non-saturating loss did not drive G's tanh into its flat ends.
RECIPES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "minimax, SGD": ("minimax", "SGD", {"lr": 0.3}),
    "non-saturating, SGD": ("non-saturating", "SGD", {"lr": 0.3}),
    "minimax, Adam": ("minimax", "Adam", ADAM),
    "non-saturating, Adam": ("non-saturating", "Adam", ADAM),
    "minimax, Adam, tiny epsilon": ("minimax", "Adam", ADAM | {"eps": 1e-16}),
}
TRIED = {
    "fresh": ["minimax, Adam", "non-saturating, Adam"],
    "sure": list(RECIPES)[:4],
    "surer": list(RECIPES),
    "surest": list(RECIPES),
}
OPTIMISERS = {"SGD": torch.optim.SGD, "Adam": torch.optim.Adam}
READINGS = (0, 200, 500, 1000)
EVERY = 10  # steps between two notes of D's mean logit


class Game:
    """An MLP GAN on MNIST, with one stream of random numbers."""

    def __init__(self, images: data.Images, seed: int) -> None:
        self.images, self.rng = images, torch.Generator().manual_seed(seed)
        self.gan = GAN.build("mlp", size=28, latent_dim=64, width=64, seed=seed, device="cpu")
        self.d_optimiser = torch.optim.Adam(self.gan.discriminator.parameters(), **ADAM)

    def draw(self) -> tuple[Tensor, Tensor]:
        """Real images (64, 1, 28, 28) and latents (64, 64)."""
        chosen = torch.randint(len(self.images), (64,), generator=self.rng)
        return self.images.batch(chosen), torch.randn(64, 64, generator=self.rng)

    def d_turn(self, x: Tensor, fake: Tensor) -> None:
        d = self.gan.discriminator
        loss = softplus(-d(x)).mean() + softplus(d(fake)).mean()
        self.d_optimiser.zero_grad()
        loss.backward()
        self.d_optimiser.step()

    def both(self, g_loss: Callable[[Tensor], Tensor], g_optimiser: torch.optim.Optimizer) -> float:
        """A turn of D and one of G; D's mean logit of the generated batch."""
        x, z = self.draw()
        fake = self.gan.generator(z)
        self.d_turn(x, fake.detach())
        logits = self.gan.discriminator(fake)
        g_optimiser.zero_grad()
        g_loss(logits).backward()
        g_optimiser.step()
        return float(logits.detach().mean())

    def fork(self) -> Game:
        """A second game in the very same state."""
        other = Game(self.images, 0)
        other.gan.generator.load_state_dict(self.gan.generator.state_dict())
        other.gan.discriminator.load_state_dict(self.gan.discriminator.state_dict())
        other.d_optimiser.load_state_dict(copy.deepcopy(self.d_optimiser.state_dict()))
        other.rng.set_state(self.rng.get_state())
        return other

    def alone(self, steps: int) -> None:
        """Train D while G stands still."""
        for _ in range(steps):
            x, z = self.draw()
            with torch.no_grad():
                fake = self.gan.generator(z)
            self.d_turn(x, fake)


@torch.no_grad()
def make_surer(game: Game, logit: float) -> None:
    """Multiply D's last layer, so that its mean logit of a generated image is this; no answer of D changes sign."""
    last = sequential_of(game.gan.discriminator)[-1]
    z = torch.randn(256, 64, generator=torch.Generator().manual_seed(5))
    factor = logit / game.gan.discriminator(game.gan.generator(z)).mean()
    for p in last.parameters():
        p.mul_(factor)


def g_loss(name: str, logits: Tensor) -> Tensor:
    return -softplus(logits).mean() if name == "minimax" else softplus(-logits).mean()


def reading(name: str, generator: nn.Module, discriminator: nn.Module, z: Tensor) -> dict[str, float]:
    """What G is told at this moment: gradient, D's logits, images that count, and a weight's typical gradient."""
    fake = generator(z)
    fake.retain_grad()
    logits = discriminator(fake)
    generator.zero_grad()
    g_loss(name, logits).backward()
    assert fake.grad is not None
    slopes = (logits if name == "minimax" else -logits).detach().sigmoid()
    weights = torch.cat([p.grad.flatten() for p in generator.parameters() if p.grad is not None])
    return {
        "gradient": float(fake.grad.flatten(1).norm(dim=1).mean() * len(z)),
        "logit": float(logits.detach().mean()),
        "images": float(slopes.sum() ** 2 / slopes.square().sum()),
        "weight_gradient": float(weights.abs().median()),
    }


def play(game: Game, recipe: str, distance: Distance, steps: int) -> dict[str, list[float]]:
    """Both players in turns. Readings at READINGS; "logits": D's mean logit of a batch, every EVERY steps."""
    loss, optimiser, options = RECIPES[recipe]
    g, d = game.gan.generator, game.gan.discriminator
    g_optimiser = OPTIMISERS[optimiser](g.parameters(), **options)
    z_look = torch.randn(256, 64, generator=torch.Generator().manual_seed(5))
    found: dict[str, list[float]] = {"logits": []}
    for step in range(steps + 1):
        if step in READINGS:
            seen = reading(loss, g, d, z_look)
            seen["distance"] = distance_of(
                distance, game.gan.sample(distance.n, seed=distance.seed, ema=False)
            )
            for name, value in seen.items():
                found.setdefault(name, []).append(float(f"{value:.4g}"))
        logit = game.both(partial(g_loss, loss), g_optimiser)
        if step % EVERY == 0:
            found["logits"].append(round(logit, 3))
    return found


def make(quick: bool = False) -> Study:
    shorter = 200 if quick else 1
    images = data.load("mnist", device="cpu", limit=limit())
    distance = Distance(data.load("mnist", device="cpu", limit=limit(10_000)), n=100 if quick else 1000)
    settings = {
        "seeds": SEEDS,
        "alone": ALONE // shorter,
        "states": {state: [logit, steps // shorter] for state, (logit, steps) in STATES.items()},
        "recipes": RECIPES,
        "tried": TRIED,
        "readings": READINGS,
        "every": EVERY,
        "samples": distance.n,
        "features": distance.features,
        "data": images.name,
        "floor": round(
            distance.of_images(data.load("mnist", device="cpu", split="test", limit=limit(1000)).data), 3
        ),
    }
    begun: dict[tuple[str, int], Game] = {}  # every recipe goes on from a copy of the same game

    def compute(state: str, recipe: str, seed: int) -> dict[str, Any]:
        if (state, seed) not in begun:
            game = Game(images, seed)
            if state != "fresh":
                game.alone(ALONE // shorter)
            logit = STATES[state][0]
            if logit is not None:
                make_surer(game, logit)
            begun.clear()
            begun[state, seed] = game
        return play(begun[state, seed].fork(), recipe, distance, STATES[state][1] // shorter)

    return Study(
        "saturation",
        {"state": tuple(STATES), "recipe": tuple(RECIPES), "seed": SEEDS},
        settings,
        compute,
        only=lambda state, recipe, seed: recipe in TRIED[state],
        smallest={"state": ("sure", "surest"), "recipe": ("minimax, SGD", "minimax, Adam")}
        if quick
        else None,
    )


if __name__ == "__main__":
    command_line(make)
