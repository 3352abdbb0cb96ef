"""How the shipped weights were made: an entry for each GAN; feature networks are in `recipes_features`.

`python -m tgan_lib zoo build NAME` runs one, and goes on where it was stopped. Training is seeded, but two machines
(or two versions of torch) round differently, so a rebuilt model has the same quality and another hash.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from .. import data, zoo
from ..augment.diff_augment import DiffAugment
from ..budget import current_budget
from ..features.load import FOLDER as FEATURES
from ..gan import GAN
from ..latent.directions import attribute_directions, closed_form_directions
from ..metrics.distances import Distance
from ..provenance import provenance
from ..training.train import train
from .recipes_features import (
    CIFAR10_LICENCE,
    MNIST_LICENCE,
    build_features_cifar10,
    build_features_glyphs,
    build_features_mnist,
)
from .recipes_portraits import build_features_portraits


@dataclass(frozen=True)
class Recipe:
    """A shipped GAN: what `data.load`, `GAN.build` and `train` are given, and the network that measures it.

    `ink` says whether its images are ink on nothing, so that directions can be found from what is measured in
    them; else they are found in the weights. `augment` is a policy of DiffAugment. Where a data set has no test
    split, a tenth of it is held out.
    """

    title: str
    about_data: str
    licence: str
    data: dict[str, Any]
    gan: dict[str, Any]
    train: dict[str, Any]
    features: str
    augment: str | None = None
    ink: bool = True
    seed: int = 0


# What recipes share: all of them, and all but the first.
RATES: dict[str, Any] = {"learning_rate": (1e-3, 5e-4), "betas": (0.5, 0.9), "ema_half_life": 20_000}
SMALL = RATES | {"penalties": {"r1": 0.1}, "penalty_every": 4}

GANS: dict[str, Recipe] = {
    "mnist-dcgan": Recipe(
        title="DCGAN of 28x28 handwritten digits",
        about_data="MNIST, 60 000 training images",
        licence=f"weights MIT; data {MNIST_LICENCE}",
        data={"name": "mnist"},
        gan={"network": "dcgan", "size": 28, "channels": 1, "latent_dim": 64, "width": 64},
        train=RATES | {"steps": 10_000},
        features="mnist-v1",
    ),
    "omniglot-dcgan": Recipe(
        title="DCGAN of 28x28 handwritten characters of many alphabets",
        about_data="Omniglot's background alphabets",
        licence="MIT (weights, and the Omniglot data: Lake, Salakhutdinov and Tenenbaum)",
        data={"name": "omniglot", "size": 28},
        gan={"network": "dcgan", "size": 28, "channels": 1, "latent_dim": 64, "width": 32},
        train=SMALL | {"steps": 4000},
        augment="translation",
        features="mnist-v1",
    ),
    "cifar10-dcgan": Recipe(
        title="DCGAN of 32x32 colour photographs, stopped early: colours and textures, hardly a thing to name",
        about_data="CIFAR-10, 50 000 training images",
        licence=f"weights MIT; data: {CIFAR10_LICENCE}",
        data={"name": "cifar10"},
        gan={"network": "dcgan", "size": 32, "channels": 3, "latent_dim": 64, "width": 32},
        train=SMALL | {"steps": 4000, "mirror": True},
        features="cifar10-v1",
        ink=False,
    ),
    "letters-32": Recipe(
        title="DCGAN of drawn letters, 32x32, in colour",
        about_data="20 000 letters drawn by tgan_lib.glyphs",
        licence="MIT",
        data={"name": "glyphs:letters", "size": 32, "channels": 3, "limit": 20_000},
        gan={"network": "dcgan", "size": 32, "channels": 3, "latent_dim": 64, "width": 32},
        train=SMALL | {"steps": 3000},
        features="glyphs-v1",
        ink=False,
    ),
    "shapes-64": Recipe(
        title="DCGAN of drawn shapes, 64x64, in colour",
        about_data="20 000 shapes drawn by tgan_lib.glyphs",
        licence="MIT",
        data={"name": "glyphs:shapes", "size": 64, "channels": 3, "limit": 20_000},
        gan={"network": "dcgan", "size": 64, "channels": 3, "latent_dim": 64, "width": 16},
        train=SMALL | {"steps": 2500},
        features="glyphs-v1",
        ink=False,
    ),
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
    distance = Distance(images, features=recipe.features)
    history = train(
        gan,
        images,
        seed=recipe.seed,
        metric=distance,
        metric_every=max(1, recipe.train["steps"] // 5),
        log_every=100,
        run_dir=folder / f"{name}.run",
        augment=None if recipe.augment is None else DiffAugment(recipe.augment),
        **recipe.train,
    )
    if recipe.ink:
        gan.directions = attribute_directions(gan)
    else:
        found = closed_form_directions(gan.ema)
        gan.directions = {f"direction {i}": d for i, d in enumerate(found, 1)}
    described = {
        "name": name,
        "title": recipe.title,
        "data": f"{recipe.about_data}, from {images.source}",
        "licence": recipe.licence,
        "distance": round(history.last("distance"), 2),
        "distance_is": f"Fréchet, features {recipe.features}, {distance.n} samples against {len(images)} images",
        "floor": round(distance.of_images(held_out.data), 2),
        "floor_is": f"the same distance of {len(held_out)} images held out",
        "recipe": {"gan": recipe.gan, "train": recipe.train, "augment": recipe.augment, "seed": recipe.seed},
        "seconds": round(history.notes["seconds"]),
        **provenance(),
    }
    described = zoo.write(folder / name, gan, described)
    shutil.rmtree(folder / f"{name}.run")
    print(json.dumps(described, indent=2))


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
