"""What it changes that D sees four images at a time: chapter 3's open question, on portraits of 32 px.

    python book/studies/batch_view.py [--quick]

D ends in `MinibatchStd`, a map that says how unlike the images of a group are. The control has the same weights, and
the map holds zeros: it has no view of the batch. Both with two losses, three seeds. Counted is what a distance does not
say: by how much the shares of hair differ from those of held-out portraits, and how many kinds of hair are all but
gone. Each run is stored when it is done, and the script can be stopped and started again.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from measured import limit
from study import Study, command_line
from torch import Tensor

from tgan_lib import GAN, Distance, data, train
from tgan_lib.data.attributes import Attributes
from tgan_lib.metrics.counting import name_attributes, total_variation, vanished
from tgan_lib.networks.parts import MinibatchStd

SEEDS = (0, 1, 2)
VIEWS = ("one image", "four images")
LOSSES = ("relativistic", "non_saturating")
BUILT: dict[str, Any] = {"network": "conv", "size": 32, "channels": 3, "latent_dim": 64, "minibatch_std": 4}
TRAINED: dict[str, Any] = {
    **{"penalties": {"r1": 3.0}, "penalty_every": 4, "batch_size": 32, "betas": (0.5, 0.99)},
    **{"learning_rate": (1e-3, 1e-3), "ema_half_life": 20_000, "precision": "bf16"},
}


class Blind(MinibatchStd):
    """The same map, of zeros."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, torch.zeros_like(x[:, :1])], 1)


def make(quick: bool = False) -> Study:
    steps, samples, width = (4, 60, 8) if quick else (2500, 2000, 32)

    @cache
    def images(split: str) -> data.Images:
        return data.load("portraits:peeps", size=32, split=split, limit=limit())

    @cache
    def distance() -> Distance:
        return Distance(images("train"), features="portraits-v1", n=samples)

    @cache
    def real() -> Attributes:
        return name_attributes(images("test"))

    def compute(loss: str, view: str, seed: int) -> dict[str, Any]:
        gan = GAN.build(**BUILT, width=width, seed=seed)
        if view == "one image":
            for module in gan.discriminator.modules():
                if isinstance(module, MinibatchStd):
                    module.__class__ = Blind
        decay = (steps // 2, steps)
        train(
            gan,
            images("train"),
            loss=loss,
            steps=steps,
            rate_decay=decay,
            seed=seed,
            progress=False,
            **TRAINED,
        )
        made = gan.sample(samples, seed=distance().seed)
        named = name_attributes(made)
        moved = total_variation(named, real())
        found = {
            "distance": round(distance().of_images(made), 3),
            "hair": round(moved["hair"], 4),
            "total_variation": {name: round(value, 4) for name, value in moved.items()},
            "gone": len(vanished(named, real()).get("hair", [])),
        }
        print(f"{loss}, {view}, seed {seed}: {found}", flush=True)
        return found

    order = torch.randperm(len(images("train")), generator=torch.Generator().manual_seed(0))[:samples]
    by_chance = total_variation(name_attributes(images("train").data[order]), real())
    settings = {
        "built": BUILT | {"width": width},
        "trained": TRAINED,
        "steps": steps,
        "samples": samples,
        "judge": "portraits-v1",
        "seeds": SEEDS,
        "chance": {name: round(value, 4) for name, value in by_chance.items()},
        "floor": round(distance().of_images(images("test").data[:samples]), 3),
        "threads": torch.get_num_threads(),
    }
    axes = {"loss": LOSSES, "view": VIEWS, "seed": SEEDS}
    smallest = {"loss": LOSSES[:1], "seed": SEEDS[:1]} if quick else None
    return Study("batch_view", axes, settings, compute, smallest=smallest)


if __name__ == "__main__":
    command_line(make)
