"""Chapter 1's numbers over seeds: how close a trained D comes to the exact bound, and what a game shows of it.

    python book/studies/two_player_game.py [--quick]

Four experiments on distributions whose densities are known, each with every seed:
  apart     two Gaussians some distance apart; D sees fresh points at every step
  points    a ring of eight modes and a wide Gaussian; D sees the same few points again and again
  (main)    D and G step in turn on a ring of eight modes; then G stands still and D goes on alone
  games     the same networks, on the same ring, played in other ways; JS, and how much of G is folded
The functions are those that the chapter shows.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from study import Part, Study, command_line
from torch import Tensor, nn
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal
from torch.nn.functional import softplus

from tgan_lib.penalties import half_squared_norm

SEEDS = (0, 1, 2, 3, 4)
APART = (0.5, 1.0, 2.0, 3.0, 4.0)
POINTS = (20, 50, 200, 1000, 5000)
FIT_STEPS = 600
EPOCH_STEPS = 1200  # with few points
STEPS, ALONE, EVERY = 1500, 1500, 150
SAMPLES = 500_000
READ = 250  # steps of G between two readings of `games`
AHEAD: dict[str, Any] = {
    "saturates": False, "d_steps": 3, "g_rate": 1e-3, "d_rate": 1e-2, "betas": (0.0, 0.99), "falls": True,
}  # fmt: skip
GAMES: dict[str, dict[str, Any]] = {  # what differs from the game of the main part
    "1 step of D": {"steps": 4500},
    "5 steps of D": {"d_steps": 5},
    "10 steps of D": {"d_steps": 10},
    "R1": {"r1": 0.1},
    "D ahead": AHEAD,
    "bend": {"target": "bend"},
    "bend, D ahead": AHEAD | {"target": "bend"},
}

GRID = torch.linspace(-12, 12, 2401)
SPACING = 0.01
ANGLES = torch.arange(8) * math.tau / 8
CENTRES = 2 * torch.stack([ANGLES.cos(), ANGLES.sin()], 1)
RING = MixtureSameFamily(Categorical(torch.ones(8)), Independent(Normal(CENTRES, 0.3), 1))
BLOB = Independent(Normal(torch.zeros(2), torch.full((2,), 1.5)), 1)
LINE = torch.linspace(-8, 8, 401)
PLANE = torch.cartesian_prod(LINE, LINE).flip(1)
AREA = 0.04**2
SIDE = 160  # cells along each side of [-4, 4]^2


def network(inputs: int, outputs: int, width: int = 64) -> nn.Sequential:
    """Two hidden layers."""
    return nn.Sequential(
        nn.Linear(inputs, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, outputs)
    )  # fmt: skip


def new_discriminator(inputs: int) -> nn.Sequential:
    """(N, inputs) -> logits (N,)."""
    return nn.Sequential(network(inputs, 1), nn.Flatten(0))


def d_loss(real_logits: Tensor, fake_logits: Tensor) -> Tensor:
    return softplus(-real_logits).mean() + softplus(fake_logits).mean()


def step(optimiser: torch.optim.Optimizer, loss: Tensor) -> None:
    optimiser.zero_grad()
    loss.backward()
    optimiser.step()


def fit(
    draw_real: Callable[[], Tensor], draw_fake: Callable[[], Tensor], inputs: int, seed: int, steps: int
) -> nn.Module:
    """A D trained on what the two functions draw, points (n, inputs)."""
    torch.manual_seed(seed)
    d = new_discriminator(inputs)
    optimiser = torch.optim.Adam(d.parameters(), lr=5e-3)
    for _ in range(steps):
        step(optimiser, d_loss(d(draw_real()), d(draw_fake())))
    return d


def js(log_p: Tensor, log_q: Tensor, cell: float) -> float:
    """The Jensen-Shannon divergence of two densities, from their logs on a grid of cells of this size."""
    log_m = torch.logaddexp(log_p, log_q) - math.log(2)
    return float((log_p.exp() * (log_p - log_m) + log_q.exp() * (log_q - log_m)).sum() * cell / 2)


def exact_loss(logits: Tensor, log_p: Tensor, log_q: Tensor, cell: float) -> float:
    """D's loss over all of both distributions, by quadrature."""
    return float((log_p.exp() * softplus(-logits) + log_q.exp() * softplus(logits)).sum() * cell)


def told_apart(distance: float, seed: int, steps: int) -> dict[str, float]:
    """N(0, 1) against N(distance, 1), fresh points: the JS that D's loss shows, and the exact one."""
    p, q = Normal(0.0, 1.0), Normal(distance, 1.0)
    d = fit(lambda: p.sample((512, 1)), lambda: q.sample((512, 1)), 1, seed, steps)
    log_p, log_q = p.log_prob(GRID), q.log_prob(GRID)
    with torch.no_grad():
        loss = exact_loss(d(GRID[:, None]), log_p, log_q, SPACING)
    return {"shown": round(math.log(2) - loss / 2, 5), "exact": round(js(log_p, log_q, SPACING), 5)}


def of_points(n: int, seed: int, steps: int) -> dict[str, float]:
    """The ring against a wide Gaussian, n points of each: D's loss on them, and on all of both distributions."""
    torch.manual_seed(1000 + seed)
    x, fake = draw_ring(n), 1.5 * torch.randn(n, 2)

    def some(of: Tensor) -> Callable[[], Tensor]:
        return lambda: of[torch.randint(n, (min(n, 256),))]

    d = fit(some(x), some(fake), 2, seed, steps)
    with torch.no_grad():
        seen = float(d_loss(d(x), d(fake)))
        loss = exact_loss(d(PLANE), RING.log_prob(PLANE), BLOB.log_prob(PLANE), AREA)
    return {"seen": round(seen, 5), "all": round(loss, 5)}


def cell_shares(samples: Tensor) -> Tensor:
    """The share of samples (n, 2) in each of SIDE^2 cells of [-4, 4]^2, and, last, of those outside."""
    place = ((samples + 4) / 8 * SIDE).floor().long()
    inside = ((place >= 0) & (place < SIDE)).all(1)
    cell = torch.where(inside, place[:, 1] * SIDE + place[:, 0], SIDE * SIDE)
    return torch.bincount(cell, minlength=SIDE * SIDE + 1).double() / len(samples)


def shares_of_density(log_prob: Callable[[Tensor], Tensor]) -> Tensor:
    """A density's share in each cell, by its value at the middle, and none outside."""
    middles = (torch.arange(SIDE) + 0.5) * 8 / SIDE - 4
    grid = torch.cartesian_prod(middles, middles).flip(1)  # x runs fastest, as in cell_shares
    shares = log_prob(grid).exp().double()
    return torch.cat([shares / shares.sum(), torch.zeros(1)])


@torch.no_grad()
def js_of_game(g: nn.Module, samples: int, target: str = "ring") -> float:
    """JS of target and generated points, over cells: at most the true one."""
    z = torch.randn(samples, 2, generator=torch.Generator().manual_seed(9))
    q, p = cell_shares(g(z)), shares_of_density(TARGETS[target][1])
    m = (p + q) / 2
    return float((torch.xlogy(p, p / m) + torch.xlogy(q, q / m)).nan_to_num().sum() / 2)


def draw_ring(n: int) -> Tensor:
    return CENTRES[torch.randint(8, (n,))] + 0.3 * torch.randn(n, 2)


def draw_bend(n: int) -> Tensor:
    """One group, bent to a bow: x = 1.2 u and y = 0.6 u^2 - 1 + 0.35 v, with u and v from N(0, 1)."""
    u, v = torch.randn(2, n)
    return torch.stack([1.2 * u, 0.6 * u**2 - 1 + 0.35 * v], 1)


def log_bend(points: Tensor) -> Tensor:
    """The bow's log density at points (n, 2)."""
    u = points[:, 0] / 1.2
    across = points[:, 1] - 0.6 * u**2 + 1
    return Normal(0.0, 1.2).log_prob(points[:, 0]) + Normal(0.0, 0.35).log_prob(across)


TARGETS: dict[str, tuple[Callable[[int], Tensor], Callable[[Tensor], Tensor]]] = {
    "ring": (draw_ring, RING.log_prob),
    "bend": (draw_bend, log_bend),
}


def game(seed: int, steps: int, alone: int, every: int, samples: int) -> dict[str, Any]:
    """D's loss, averaged over the last 50 steps, and the least that any D could have, by step."""
    torch.manual_seed(seed)
    g, d = network(2, 2), new_discriminator(2)
    g_optimiser = torch.optim.Adam(g.parameters(), lr=2e-3, betas=(0.5, 0.999))
    d_optimiser = torch.optim.Adam(d.parameters(), lr=2e-3, betas=(0.5, 0.999))
    losses: list[float] = []
    shown, least = [], []
    for number in range(1, steps + alone + 1):
        x, z = draw_ring(256), torch.randn(256, 2)
        fake = g(z).detach()
        loss = d_loss(d(x), d(fake))
        step(d_optimiser, loss)
        if number <= steps:
            step(g_optimiser, -softplus(d(g(z))).mean())
        losses.append(loss.item())
        if number % every == 0:
            shown.append(round(sum(losses[-50:]) / 50, 4))
            if number <= steps:
                least.append(round(2 * math.log(2) - 2 * js_of_game(g, samples), 4))
    return {"shown": shown, "least": least}


def play(
    seed: int,
    every: int,
    samples: int,
    *,
    target: str = "ring",
    saturates: bool = True,
    steps: int = STEPS,
    d_steps: int = 1,
    g_rate: float = 2e-3,
    d_rate: float = 2e-3,
    betas: tuple[float, float] = (0.5, 0.999),
    r1: float = 0.0,
    falls: bool = False,
) -> dict[str, Any]:
    """JS by steps of G, and the share of latents where the finished G is turned over (det J of the rarer sign).

    saturates: G has the minimax loss, or else the non-saturating one. falls: in the second half both rates fall to 0,
    along a straight line.
    """
    torch.manual_seed(seed)
    g, d = network(2, 2), new_discriminator(2)
    optimisers = [
        torch.optim.Adam(player.parameters(), lr=rate, betas=betas)
        for player, rate in [(g, g_rate), (d, d_rate)]
    ]
    slower = [
        torch.optim.lr_scheduler.LambdaLR(each, lambda done: min(1.0, 2 - 2 * done / steps) if falls else 1.0)
        for each in optimisers
    ]
    found = []
    for number in range(1, steps + 1):
        for _ in range(d_steps):
            x, z = TARGETS[target][0](256).requires_grad_(r1 > 0), torch.randn(256, 2)
            real_logits = d(x)
            loss = d_loss(real_logits, d(g(z).detach()))
            if r1:
                loss = loss + r1 * half_squared_norm(real_logits, x)
            step(optimisers[1], loss)
        logits = d(g(z))
        step(optimisers[0], -softplus(logits).mean() if saturates else softplus(-logits).mean())
        for each in slower:
            each.step()
        if number % every == 0:
            found.append(round(js_of_game(g, samples, target), 4))
    turned = float((determinants(g, torch.randn(20_000, 2)) < 0).float().mean())
    return {"js": found, "folded": round(min(turned, 1 - turned), 4)}


def determinants(g: nn.Module, z: Tensor) -> Tensor:
    """det J of G at latents z (N, 2): how much it stretches there, and below 0 where it turns the sheet over."""
    z = z.requires_grad_()
    made = g(z)
    rows = [torch.autograd.grad(one.sum(), z, retain_graph=True)[0] for one in made.unbind(1)]
    return torch.linalg.det(torch.stack(rows, 1))


def make(quick: bool = False) -> Study:
    shorter = 50 if quick else 1
    settings = {
        "seeds": SEEDS,
        "apart": APART,
        "points": POINTS,
        "fit_steps": FIT_STEPS // shorter,
        "epoch_steps": EPOCH_STEPS // shorter,
        "steps": STEPS // shorter,
        "alone": ALONE // shorter,
        "every": EVERY // shorter,
        "samples": SAMPLES // shorter,
        "js_of_points": round(js(RING.log_prob(PLANE), BLOB.log_prob(PLANE), AREA), 5),
        "games": GAMES,
        "read": READ // shorter,
    }

    def played(game: str, seed: int) -> dict[str, Any]:
        options = GAMES[game] | {"steps": GAMES[game].get("steps", STEPS) // shorter}
        return play(seed, READ // shorter, SAMPLES // shorter, **options)

    return Study(
        "two_player_game",
        {"seed": SEEDS},
        settings,
        lambda seed: game(seed, STEPS // shorter, ALONE // shorter, EVERY // shorter, SAMPLES // shorter),
        before=[
            Part(
                "apart",
                {"apart": APART, "seed": SEEDS},
                lambda apart, seed: told_apart(apart, seed, FIT_STEPS // shorter),
            ),
            Part(
                "points",
                {"points": POINTS, "seed": SEEDS},
                lambda points, seed: of_points(points, seed, EPOCH_STEPS // shorter),
            ),
        ],
        after=[Part("games", {"game": list(GAMES), "seed": SEEDS}, played)],
        smallest={} if quick else None,
    )


if __name__ == "__main__":
    command_line(make)
