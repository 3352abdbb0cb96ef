"""The search for what a GAN is built from and trained with by default: MNIST at 28 px, portraits at 32.

    python book/studies/defaults.py [--quick]

One change at a time from a first guess, then the changes that helped together. One seed and one number of steps for
all: it finds what is clearly better and cannot tell what is nearly as good. What was tried and lost is in the file.
Each run is stored when it is done, and the script can be stopped and started again. MNIST's shipped generator is
twice as wide as those here. Portraits of 64 px have had no search of their own; what was tried beside the shipped
recipe was one run each of 12 000 steps, R1 of 20 and rates of 1e-3, whose distance and shares of hair and of faces
(total variation) came to 13.5, .33 and .18 with the non-saturating loss, 19.0, .26 and .22 with the relativistic one,
and 12.8, .13 and .19 with that and minibatch_std (`batch_view.py`). R1 of 2 in the same place, and 16 000 steps, made
them 9.2, .11 and .12.
"""

from __future__ import annotations

from functools import cache
from typing import Any

import torch
from measured import limit, trajectory
from study import Study, command_line

from tgan_lib import GAN, Distance, data
from tgan_lib.metrics.counting import name_attributes, total_variation
from tgan_lib.networks import count_parameters

SEED = 0
READINGS = 4
# A subject: what `data.load` and `GAN.build` are given, its judge, steps, and how many samples are judged.
SUBJECTS: dict[str, dict[str, Any]] = {
    "mnist-28": {"data": "mnist", "size": 28, "channels": 1, "judge": "mnist-v1", "steps": 2000, "n": 10_000},
    "peeps-32": {
        "data": "portraits:peeps",
        "size": 32,
        "channels": 3,
        "judge": "portraits-v1",
        "steps": 3000,
        "n": 2000,
    },
}
BUILT: dict[str, Any] = {"network": "conv", "latent_dim": 64, "width": 32}
TRAINED: dict[str, Any] = {
    "loss": "non_saturating",
    "penalties": {"r1": 1.0},
    "penalty_every": 4,
    "learning_rate": (5e-4, 5e-4),
    "betas": (0.5, 0.99),
    "ema_half_life": 5000,
    "batch_size": 32,
    "precision": "bf16",
}
ALL = tuple(SUBJECTS)
SECOND: dict[str, Any] = {"learning_rate": (1e-3, 1e-3), "penalties": {"r1": 0.1}, "batch_size": 64}
# A way: the subjects it is tried on, what it changes in BUILT, and what in TRAINED.
WAYS: dict[str, tuple[tuple[str, ...], dict[str, Any], dict[str, Any]]] = {
    "first guess": (ALL, {}, {}),
    "R1 of 0.1": (ALL, {}, {"penalties": {"r1": 0.1}}),
    "R1 of 3": (ALL, {}, {"penalties": {"r1": 3.0}}),
    "rates 1e-3": (ALL, {}, {"learning_rate": (1e-3, 1e-3)}),
    "D ends in a linear map": (("peeps-32",), {"head": "linear"}, {}),
    "relativistic, R1 and R2": (
        ("peeps-32",),
        {},
        {"loss": "relativistic", "penalties": {"r1": 1.0, "r2": 1.0}},
    ),
    # The portraits' guess is a poor one for digits, so theirs starts again from what helped.
    "second guess": (("mnist-28",), {}, SECOND),
    "second guess, betas 0.5 and 0.9": (("mnist-28",), {}, SECOND | {"betas": (0.5, 0.9)}),
    "second guess, rates that fall": (("mnist-28",), {}, SECOND | {"rate_decay": "half"}),
    "second guess, rates 2e-3": (("mnist-28",), {}, SECOND | {"learning_rate": (2e-3, 2e-3)}),
    "second guess, built as in 2016": (("mnist-28",), {"start": 7, "head": "linear"}, SECOND),
    "second guess, R1 of 0.02": (("mnist-28",), {}, SECOND | {"penalties": {"r1": 0.02}}),
    "second guess, R1 by a difference": (("mnist-28",), {}, SECOND | {"penalties": {"r1_difference": 0.1}}),
}


def make(quick: bool = False) -> Study:
    shortened = {"steps": 8, "n": 100} if quick else {}
    subjects = {name: subject | shortened for name, subject in SUBJECTS.items()}

    @cache
    def images_of(subject: str, split: str = "train") -> data.Images:
        known = subjects[subject]
        return data.load(
            known["data"], size=known["size"], channels=known["channels"], split=split, limit=limit()
        )

    @cache
    def distance_of(subject: str) -> Distance:
        known = subjects[subject]
        return Distance(images_of(subject), features=known["judge"], n=known["n"])

    def compute(subject: str, way: str, seed: int) -> dict[str, Any]:
        known, (_, built, trained) = subjects[subject], WAYS[way]
        gan = GAN.build(**BUILT | built, size=known["size"], channels=known["channels"], seed=seed)
        settings = TRAINED | trained
        if settings.get("rate_decay") == "half":
            settings["rate_decay"] = (known["steps"] // 2, known["steps"])
        distance = distance_of(subject)
        found = trajectory(
            gan,
            images_of(subject),
            distance,
            known["steps"],
            READINGS,
            seed=seed,
            also_latest=False,
            timed=True,
            **settings,
        )
        print(f"{subject}, {way}: {found['distance']} after {found['seconds']} s", flush=True)
        floor = distance.of_images(images_of(subject, "test").data[: known["n"]])
        found |= {
            "floor": round(floor, 3),
            "parameters": [count_parameters(gan.generator), count_parameters(gan.discriminator)],
        }
        if known["judge"] != "portraits-v1":
            return found | {"classes": distance.classes(gan, min(1000, known["n"])).tolist()}
        named, real = (
            name_attributes(gan.sample(known["n"], seed=seed)),
            name_attributes(images_of(subject, "test")),
        )
        moved = total_variation(named, real)
        return found | {"total_variation": {name: round(value, 3) for name, value in moved.items()}}

    settings = {
        "seeds": (SEED,),
        "subjects": subjects,
        "built": BUILT,
        "trained": TRAINED,
        "ways": {way: changes for way, (_, *changes) in WAYS.items()},
        "threads": torch.get_num_threads(),
    }
    smallest = {"subject": ALL, "way": ("first guess", "second guess, rates that fall")} if quick else None
    return Study(
        "defaults",
        {"subject": ALL, "way": tuple(WAYS), "seed": (SEED,)},
        settings,
        compute,
        only=lambda subject, way, seed: subject in WAYS[way][0],
        smallest=smallest,
    )


if __name__ == "__main__":
    command_line(make)
