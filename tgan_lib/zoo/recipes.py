"""How the shipped weights were made: the GANs of `recipes_gans`, and the feature networks.

`python -m tgan_lib zoo build NAME` runs one, and goes on where it was stopped. Training is seeded, but two machines
(or two versions of torch) round differently, so a rebuilt model has the same quality and another hash.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from torch import Tensor

from .. import data, zoo
from ..augment.diff_augment import DiffAugment
from ..budget import current_budget
from ..features.load import FOLDER as FEATURES
from ..gan import GAN
from ..latent.directions import attribute_directions, closed_form_directions
from ..latent.portraits import portrait_directions
from ..provenance import provenance
from ..training.train import train
from .judging import counts, distances, near_copies, pinned
from .recipes_features import (
    build_features_cifar10,
    build_features_glyphs,
    build_features_mnist,
)
from .recipes_gans import BF16, GANS, Recipe
from .recipes_portraits import build_features_portraits


def weight_directions(gan: GAN) -> dict[str, Tensor]:
    """What the first layer stretches most, by number: a direction without a name."""
    return {f"direction {i}": d for i, d in enumerate(closed_form_directions(gan.ema), 1)}


# From what is measured in ink on nothing, from what the portraits' judge sees, or from the weights alone.
DIRECTIONS: dict[str, Callable[[GAN], dict[str, Tensor]]] = {
    "ink": attribute_directions,
    "portraits": portrait_directions,
    "weights": weight_directions,
}


def held_apart(recipe: Recipe, images: data.Images) -> tuple[data.Images, data.Images]:
    """Images to train on and images that are not: the test split, or else a tenth of what there is."""
    try:
        return images, data.load(**recipe.data, split="test")
    except FileNotFoundError:
        return data.split(images, 0.9, seed=recipe.seed)


def build_gan(
    name: str, folder: Path, train_set: data.Images | None = None, test_set: data.Images | None = None
) -> None:
    """Train one of `GANS`, measure it, and write it with its card. Give the two sets to use a copy of the data."""
    recipe = GANS[name]
    images = data.load(**recipe.data) if train_set is None else train_set
    if test_set is None:
        images, held_out = held_apart(recipe, images)
    else:
        held_out = test_set
    gan = GAN.build(**recipe.gan, seed=recipe.seed)
    history = train(
        gan,
        images,
        seed=recipe.seed,
        metric_every=None,
        log_every=100,
        run_dir=folder / f"{name}.run",
        augment=None if recipe.augment is None else DiffAugment(recipe.augment),
        **recipe.train,
    )
    gan.directions = DIRECTIONS[recipe.directions](gan)
    described = {
        "name": name,
        "title": recipe.title,
        **({"former": recipe.former} if recipe.former else {}),
        "data": f"{recipe.about_data}, from {images.source}",
        "licence": recipe.licence,
        **measured(gan, recipe, images, held_out),
        "recipe": as_card(recipe),
        **({"precision_is": BF16} if recipe.train.get("precision") == "bf16" else {}),
        "command": f"python -m tgan_lib zoo build {name}",
        "seconds": round(history.notes["seconds"]),
        **provenance(),
    }
    described = zoo.write(folder / name, gan, described)
    shutil.rmtree(folder / f"{name}.run")
    print(json.dumps(described, indent=2))


def measured(gan: GAN, recipe: Recipe, images: data.Images, held_out: data.Images) -> dict[str, Any]:
    """What a card says of a GAN's samples: distances and floors, signs of copying, and of portraits the counts."""
    found = distances(gan, images, held_out, recipe.features)
    found["near_copies"] = near_copies(gan, images, held_out, recipe.features)
    kind, _, style = str(recipe.data["name"]).partition(":")
    if kind == "portraits":
        found["counts"] = counts(gan, images, held_out, style)
    return found | {"mean_of_samples": pinned(gan)}


def as_card(recipe: Recipe) -> dict[str, Any]:
    """The part of a recipe that decides what comes out, as a card holds it."""
    return {
        "data": recipe.data,
        "gan": recipe.gan,
        "train": recipe.train,
        "augment": recipe.augment,
        "seed": recipe.seed,
    }


RECIPES: dict[str, Callable[[Path], None]] = {
    "features-mnist-v1": build_features_mnist,
    "features-cifar10-v1": build_features_cifar10,
    "features-glyphs-v1": build_features_glyphs,
    "features-portraits-v1": build_features_portraits,
    **{name: partial(build_gan, name) for name in GANS},
}


def build(name: str, out: str | Path | None = None) -> None:
    """Run a recipe and write its files into `out` (the package's own folder by default).

    RuntimeError under the smoke budget, where drawn glyphs would stand in for the data that a card names.
    """
    if current_budget() == "smoke":
        raise RuntimeError(
            "the budget is smoke, which draws its data; TGAN_BUDGET=cpu loads what a recipe names"
        )
    own = FEATURES if name.startswith("features-") else zoo.FOLDER
    folder = own if out is None else Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    RECIPES[name](folder)
