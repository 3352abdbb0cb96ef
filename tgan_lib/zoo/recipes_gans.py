"""The recipe of each shipped GAN: its data, its networks, how it was trained, and who judges it. `recipes` runs one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .recipes_features import CIFAR10_LICENCE, MNIST_LICENCE


@dataclass(frozen=True)
class Recipe:
    """A shipped GAN: what `data.load`, `GAN.build` and `train` are given, and the network that measures it first.

    `directions` says how they are found, a key of `recipes.DIRECTIONS`. `augment` is a policy of DiffAugment. Where a
    data set has no test split, a tenth of it is held out. `former` says of a model that stays for the sake of what was
    made with it why that is, and what to use in its place.
    """

    title: str
    about_data: str
    licence: str
    data: dict[str, Any]
    gan: dict[str, Any]
    train: dict[str, Any]
    features: str
    augment: str | None = None
    directions: str = "weights"
    former: str = ""
    seed: int = 0


# bf16 is part of a recipe, since a run in another precision is another run; `train` takes it on every machine.
BF16 = (
    "trained in bf16, which a CPU without hardware for it only emulates: a step of peeps-32 took one core 155 ms where "
    "AVX-512 has bf16 products (fp32: 203), 416 with AVX-512 without them (245), 3896 with AVX2 alone (241)"
)
SHARED: dict[str, Any] = {
    **{"penalty_every": 4, "batch_size": 32, "betas": (0.5, 0.99), "ema_half_life": 20_000},
    **{"rate_decay": (6000, 12_000), "steps": 12_000, "precision": "bf16"},
}
PEEPS_32 = SHARED | {"penalties": {"r1": 3.0}, "learning_rate": (1e-3, 1e-3)}
# With a D that sees four images at a time (`minibatch_std`), kinds of hair stay that were lost without it.
PEEPS_64 = SHARED | {
    "loss": "relativistic",
    "penalties": {"r1": 2.0},
    "learning_rate": (1e-3, 1e-3),
    "rate_decay": (8000, 16_000),
    "steps": 16_000,
}
GREY = SHARED | {
    "penalties": {"r1": 0.1},
    "learning_rate": (2e-3, 2e-3),
    "batch_size": 64,
}  # digits' own search
# Twice as wide, at half the rates: 3.3 after 10 000 steps, 2.8 after 16 000; width 32 at 2e-3 came to 5.9.
# One run each.
MNIST = GREY | {"learning_rate": (1e-3, 1e-3), "rate_decay": (8000, 16_000), "steps": 16_000}
SHORT: dict[str, Any] = {"rate_decay": (3000, 6000), "steps": 6000}
CIFAR10 = SHARED | SHORT | {"penalties": {"r1": 1.0}, "learning_rate": (1e-3, 1e-3), "batch_size": 64}

# What former recipes share: all of them, and all but the first.
RATES: dict[str, Any] = {"learning_rate": (1e-3, 5e-4), "betas": (0.5, 0.9), "ema_half_life": 20_000}
SMALL = RATES | {"penalties": {"r1": 0.1}, "penalty_every": 4}
BLIND = "its discriminator cannot see a whole image"


def conv(size: int, channels: int, width: int = 32) -> dict[str, Any]:
    """Both networks of a recipe of today: the convolutional pair whose D sees the whole image."""
    return {"network": "conv", "size": size, "channels": channels, "latent_dim": 64, "width": width}


def dcgan(size: int, channels: int, width: int = 32) -> dict[str, Any]:
    """Both networks of a former recipe."""
    return {"network": "dcgan", "size": size, "channels": channels, "latent_dim": 64, "width": width}


PEEPS = "Open Peeps by Pablo Stanley, 12 000 portraits to train on"
OMNIGLOT_LICENCE = "MIT (weights, and the Omniglot data: Lake, Salakhutdinov and Tenenbaum)"

GANS: dict[str, Recipe] = {
    "peeps-64": Recipe(
        title="Drawn portraits, 64x64, in colour",
        about_data=PEEPS,
        licence="weights MIT; data CC0 1.0 (Pablo Stanley)",
        data={"name": "portraits:peeps"},
        gan=conv(64, 3) | {"minibatch_std": 4},
        train=PEEPS_64,
        features="portraits-v1",
        directions="portraits",
    ),
    "peeps-32": Recipe(
        title="Drawn portraits, 32x32, in colour",
        about_data=PEEPS,
        licence="weights MIT; data CC0 1.0 (Pablo Stanley)",
        data={"name": "portraits:peeps", "size": 32},
        gan=conv(32, 3),
        train=PEEPS_32,
        features="portraits-v1",
        directions="portraits",
    ),
    "mnist": Recipe(
        title="28x28 handwritten digits",
        about_data="MNIST, 60 000 training images",
        licence=f"weights MIT; data {MNIST_LICENCE}",
        data={"name": "mnist"},
        gan=conv(28, 1, 64),
        train=MNIST,
        features="mnist-v1",
        directions="ink",
    ),
    "fashion": Recipe(
        title="28x28 pieces of clothing, in grey",
        about_data="Fashion-MNIST, 60 000 training images",
        licence="MIT (weights, and the Fashion-MNIST data: Zalando SE)",
        data={"name": "fashion-mnist"},
        gan=conv(28, 1),
        train=GREY | SHORT,
        features="mnist-v1",
    ),
    "omniglot": Recipe(
        title="28x28 handwritten characters of many alphabets",
        about_data="Omniglot's background alphabets",
        licence=OMNIGLOT_LICENCE,
        data={"name": "omniglot", "size": 28},
        gan=conv(28, 1),
        train=GREY | SHORT,
        augment="translation",
        features="mnist-v1",
        directions="ink",
    ),
    "cifar10": Recipe(
        title="32x32 colour photographs after ten minutes of one core: grounds, skies and things on them, few to name",
        about_data="CIFAR-10, 50 000 training images",
        licence=f"weights MIT; data: {CIFAR10_LICENCE}",
        data={"name": "cifar10"},
        gan=conv(32, 3),
        train=CIFAR10 | {"mirror": True},
        features="cifar10-v1",
    ),
    "mnist-dcgan": Recipe(
        title="DCGAN of 28x28 handwritten digits",
        about_data="MNIST, 60 000 training images",
        licence=f"weights MIT; data {MNIST_LICENCE}",
        data={"name": "mnist"},
        gan=dcgan(28, 1, 64),
        train=RATES | {"steps": 10_000},
        features="mnist-v1",
        directions="ink",
        former=f"{BLIND} and had no penalty; kept because stored runs of chapters 9 to 16 start from it; use mnist",
    ),
    "omniglot-dcgan": Recipe(
        title="DCGAN of 28x28 handwritten characters of many alphabets",
        about_data="Omniglot's background alphabets",
        licence=OMNIGLOT_LICENCE,
        data={"name": "omniglot", "size": 28},
        gan=dcgan(28, 1),
        train=SMALL | {"steps": 4000},
        augment="translation",
        features="mnist-v1",
        directions="ink",
        former=f"{BLIND}; kept because stored runs of chapters 9 to 16 start from it; use omniglot",
    ),
    "cifar10-dcgan": Recipe(
        title="DCGAN of 32x32 colour photographs, stopped early: colours and textures, hardly a thing to name",
        about_data="CIFAR-10, 50 000 training images",
        licence=f"weights MIT; data: {CIFAR10_LICENCE}",
        data={"name": "cifar10"},
        gan=dcgan(32, 3),
        train=SMALL | {"steps": 4000, "mirror": True},
        features="cifar10-v1",
        former=f"{BLIND}; kept because stored runs of chapters 9 to 16 start from it; use cifar10",
    ),
    "letters-32": Recipe(
        title="DCGAN of drawn letters, 32x32, in colour",
        about_data="20 000 letters drawn by tgan_lib.glyphs",
        licence="MIT",
        data={"name": "glyphs:letters", "size": 32, "channels": 3, "limit": 20_000},
        gan=dcgan(32, 3),
        train=SMALL | {"steps": 3000},
        features="glyphs-v1",
        former=f"{BLIND}; kept because a stored run of chapter 10 starts from it; no other of drawn glyphs is shipped",
    ),
    "shapes-64": Recipe(
        title="DCGAN of drawn shapes, 64x64, in colour",
        about_data="20 000 shapes drawn by tgan_lib.glyphs",
        licence="MIT",
        data={"name": "glyphs:shapes", "size": 64, "channels": 3, "limit": 20_000},
        gan=dcgan(64, 3, 16),
        train=SMALL | {"steps": 2500},
        features="glyphs-v1",
        former=f"{BLIND}; kept because it was shipped before; use peeps-64",
    ),
}
