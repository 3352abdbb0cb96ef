"""Chapter 13's study: how few of G's numbers may train? Distance, memory and time of ways that train few of them.

    python book/studies/small_updates.py [--quick]

From digits to letters, on 100 images and for some ways on 10. Every way makes the same number of steps with the same
batches, and D trains as a whole, at one rate. G's rate is each way's own: of four, the one with which a run of
another seed and half the steps ended nearest to the pool that the few images come from. All ranks take the rate found
for rank 4; a miner with everything trained after it takes the miner's rate, then everything's. Each run is stored
when it is done, and the script can be stopped and started again.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from adaptation import (
    FEATURES,
    SAMPLES,
    TRAINED,
    Pair,
    digits_to_letters,
    parameters,
    report,
    run_way,
)
from measured import costs
from study import Part, Study, command_line
from torch import Tensor
from torch.autograd.graph import saved_tensors_hooks
from torch.nn.functional import softplus

from tgan_lib import GAN, Distance, few_shot, train
from tgan_lib.results import Results
from tgan_lib.transfer import miner, start_from, unfreeze
from tgan_lib.transfer.adapters import linear_layers
from tgan_lib.transfer.strategies import STRATEGIES

SEEDS = (0, 1, 2)
STEPS, READINGS = 300, 4
SEARCH_SEED, SEARCH_N = 100, 100
RATES = (0.3, 1.0, 3.0, 10.0)  # times TRAINED's, of G alone
RANKS = (1, 2, 4, 8, 16)
KEPT = (0, *RANKS, 32)  # how much of fine-tuning's change is kept when it is cut down to a rank
TWO_STAGES = "miner, then everything"
# Strategy of this study -> way of `adapting` and its settings; the two stages are in `mine_then_train`.
ONE_STAGE: dict[str, tuple[str, dict[str, Any]]] = {
    "everything": ("fine_tune", {}),
    "scale and shift": ("scale_shift", {}),
    **{f"rank {rank}": ("low_rank", {"rank": rank}) for rank in RANKS},
    "miner": ("miner", {}),
}
SEARCHED = ("everything", "scale and shift", "rank 4", "miner")
NUMBERS = {100: (*ONE_STAGE, TWO_STAGES), 10: ("everything", "scale and shift")}


def rates(factor: float) -> dict[str, Any]:
    """What `train` is given for a rate of G that is `factor` times TRAINED's; D's is TRAINED's."""
    g, d = TRAINED["learning_rate"]
    return {"learning_rate": (g * factor, d)}


def mine_then_train(
    pair: Pair, distance: Distance, n: int, seed: int, steps: int, factors: tuple[float, float]
) -> tuple[GAN, dict[str, Any]]:
    """MineGAN's two stages, half of the steps each: the miner before a frozen G, then all three networks."""
    half, readings = steps // 2, READINGS // 2
    gan, found = run_way(pair, distance, "miner", n, seed, half, readings, **rates(factors[0]))
    history = train(
        unfreeze(gan),
        few_shot(pair.pool, n, seed=seed),
        seed=seed + len(SEEDS),  # other latents and batches than in the first stage
        steps=half,
        metric=distance,
        metric_every=half // readings,
        progress=False,
        **(TRAINED | rates(factors[1])),
    )
    return gan, {"distance": found["distance"] + [round(d, 2) for d in history["distance"]]}


def matrix(module: torch.nn.Module) -> Tensor:
    """A map's weight as `low_rank` sees it: a row for each entry of its first axis."""
    return module.get_parameter("weight").detach().flatten(1)


def change(source: GAN, gan: GAN) -> list[dict[str, Any]]:
    """For every map of G: its size, how far its weight moved, and what share of that lies in the top directions.

    moved: the norm of the change over the norm of the source's weight. shares: of the change's squared norm, in its
    1, 2, 4, 8 and 16 largest singular values.
    """
    found = []
    for old, new in zip(linear_layers(source.ema), linear_layers(gan.ema), strict=True):
        moved = matrix(new) - matrix(old)
        squares = torch.linalg.svdvals(moved.double()).square()
        running = (squares.cumsum(0) / squares.sum()).tolist()
        found.append(
            {
                "layer": type(new).__name__,
                "rows": moved.shape[0],
                "columns": moved.shape[1],
                "moved": round(float(moved.norm() / matrix(old).norm()), 4),
                "shares": [round(running[min(r, len(running)) - 1], 4) for r in RANKS],
            }
        )
    return found


@torch.no_grad()
def cut_down(source: GAN, gan: GAN, rank: int) -> GAN:
    """A GAN like `gan`, of whose change to each weight only the top `rank` directions are kept.

    Biases, norms and their statistics are those of `gan`, so that rank 0 is what they do alone.
    """
    cut = start_from(gan)
    for old, new in zip(linear_layers(source.ema), linear_layers(cut.ema), strict=True):
        u, s, vh = torch.linalg.svd(matrix(new) - matrix(old), full_matrices=False)
        kept = (u[:, :rank] * s[:rank]) @ vh[:rank]
        new.weight.copy_(old.weight + kept.view_as(old.weight))
    return cut


def memory(gan: GAN, batch_size: int) -> dict[str, int]:
    """Bytes that a step of G holds, counted: gradients, Adam's state, and what the forward pass keeps for backward.

    The last, "saved", leaves out the networks' own weights. G's step only: D's is the same in all ways.
    """
    own = {
        tensor.untyped_storage().data_ptr()
        for network in (gan.generator, gan.discriminator)
        for tensor in network.state_dict(keep_vars=True).values()
    }
    saved: dict[int, int] = {}

    def pack(tensor: Tensor) -> Tensor:
        storage = tensor.untyped_storage()
        if storage.data_ptr() not in own:
            saved[storage.data_ptr()] = storage.nbytes()
        return tensor

    trained = [p for p in gan.generator.parameters() if p.requires_grad]
    optimiser = torch.optim.Adam(trained, 1e-3)
    with saved_tensors_hooks(pack, lambda tensor: tensor):
        loss = softplus(-gan.discriminator(gan.generator(gan.latents(batch_size, seed=0)))).mean()
    loss.backward(inputs=trained)
    optimiser.step()
    moments = [t for state in optimiser.state.values() for t in state.values()]
    return {
        "gradients": sum(p.grad.nbytes for p in trained if p.grad is not None),
        "adam": sum(t.nbytes for t in moments),
        "saved": sum(saved.values()),
    }


def builders(source: GAN) -> dict[str, Callable[[], GAN]]:
    """Strategy -> what makes the GAN that it trains; of the two stages, the second's."""

    def build(way: str, own: dict[str, Any]) -> GAN:
        return STRATEGIES[way](source, 0, **own)[0]

    found: dict[str, Callable[[], GAN]] = {name: partial(build, *what) for name, what in ONE_STAGE.items()}
    return found | {TWO_STAGES: lambda: unfreeze(miner(start_from(source)))}


def choose(found: Results) -> dict[str, float]:
    """Way -> the factor of those tried with which it ended nearest to the pool."""
    ends: dict[str, dict[float, float]] = {}
    for cell in found.cells:
        if cell.part == "search":
            ends.setdefault(cell.at["way"], {})[cell.at["rate"]] = cell.found["distance"][-1]
    best = {way: min(tried.items(), key=lambda pair: pair[1])[0] for way, tried in ends.items()}
    return best | {f"rank {rank}": best["rank 4"] for rank in RANKS if "rank 4" in best}


def make(quick: bool = False) -> Study:
    steps, samples, pair = 8 if quick else STEPS, 100 if quick else SAMPLES, digits_to_letters()
    distance, to_pool = (
        Distance(images, features=FEATURES, n=samples) for images in (pair.held_out, pair.pool)
    )

    def search(way: str, rate: float, seed: int) -> dict[str, Any]:
        name, own = ONE_STAGE[way]
        options = {"settings": own, **rates(rate)}
        _, found = run_way(pair, to_pool, name, SEARCH_N, seed, steps // 2, READINGS // 2, **options)
        print(f"{way}, rate {rate}: {found['distance']}", flush=True)
        return found

    def run(way: str, n: int, seed: int) -> tuple[GAN, dict[str, Any]]:
        chosen = study.found.cell("chosen")
        if way == TWO_STAGES:
            return mine_then_train(pair, distance, n, seed, steps, (chosen["miner"], chosen["everything"]))
        name, own = ONE_STAGE[way]
        return run_way(pair, distance, name, n, seed, steps, READINGS, settings=own, **rates(chosen[way]))

    def compute(way: str, n: int, seed: int) -> dict[str, Any]:
        gan, found = run(way, n, seed)
        print(f"{way}, {n} images, seed {seed}: {found['distance']}", flush=True)
        found |= {"trained": parameters(gan)} | report(gan, pair, distance, n, seed)
        if way == "everything" and n == 100:
            found["change"] = change(pair.source, gan)
            found["cut_down"] = [round(distance(cut_down(pair.source, gan, rank)), 2) for rank in KEPT]
        return found

    def held() -> dict[str, Any]:
        return {name: memory(build(), TRAINED["batch_size"]) for name, build in builders(pair.source).items()}

    def cost() -> dict[str, Any]:
        given = {name: (build, TRAINED) for name, build in builders(pair.source).items()}
        few = few_shot(pair.pool, 100, seed=0)
        return costs(given, few, rounds=1 if quick else 7, steps=1 if quick else 8)

    settings = {
        "steps": [steps * r // READINGS for r in range(1, READINGS + 1)],
        "seeds": SEEDS,
        "numbers": NUMBERS,
        "samples": distance.n,
        "features": distance.features,
        "source": round(distance(pair.source), 2),
        "floor": round(distance.of_images(pair.pool.data), 2),
        "trained": TRAINED,
        "rates": RATES,
        "ranks": RANKS,
        "kept": KEPT,
        "threads": torch.get_num_threads(),
    }
    study = Study(
        "small_updates",
        {"way": NUMBERS[100], "n": tuple(NUMBERS), "seed": SEEDS},
        settings,
        compute,
        only=lambda way, n, seed: way in NUMBERS[n],
        before=[
            Part("search", {"way": SEARCHED, "rate": RATES, "seed": (SEARCH_SEED,)}, search),
            Part("chosen", {}, lambda: choose(study.found)),
            Part("memory", {}, held),
            Part("costs", {}, cost),
        ],
        smallest={"way": ("everything", "miner", TWO_STAGES)} if quick else None,
    )
    return study


if __name__ == "__main__":
    command_line(make)
