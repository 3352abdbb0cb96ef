"""What the card of a shipped GAN says of its samples: distances by two judges, counts, and signs of copying.

A distance stands beside its floor, the same distance of as many held-out images, which no generator was trained on,
taken in random order: MNIST's test images are ordered by writer, so that its first ones are no fair sample. Both
depend on how many images they are of, and are compared at that number only.
"""

from __future__ import annotations

from typing import Any

import torch

from .. import data
from ..features.efficientnet import NAME as SECOND
from ..features.efficientnet import PACKAGE
from ..features.load import extract, load_features
from ..gan import GAN
from ..metrics.counting import JUDGE, name_attributes, total_variation, vanished
from ..metrics.distances import Distance
from ..metrics.memorization import memorisation

JUDGED = 10_000  # samples that the first judge sees, or as many as images are held out
SECOND_JUDGED, SECOND_TRAINED = (
    2000,
    4000,
)  # its network takes 10 ms an image, so it sees fewer, of both kinds
COUNTED = 2000  # samples whose attributes are counted, and that are looked for among the training images
SEED = 1234  # of the order of real images, and of samples: no seed that anything is trained with


def shuffled(images: data.Images, n: int, seed: int = SEED) -> data.Images:
    """`n` of the images, or all that there are, in random order; always the same."""
    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(seed))
    return images.subset(order[:n])


def judged(distance: Distance, gan: GAN, held_out: data.Images) -> dict[str, Any]:
    """What one judge says: the samples' distance, and that of as many held-out images, which are to be shuffled."""
    return {
        "distance": round(distance(gan), 2),
        "floor": round(distance.of_images(held_out.data[: distance.n]), 2),
        "samples": distance.n,
    }


def no_second() -> str:
    """Why there is only one judge here; empty where EfficientNet's weights are."""
    try:
        load_features(SECOND)
    except RuntimeError:
        return f"the weights of {SECOND} were not here when it was measured; {PACKAGE} brings them"
    return ""


def distances(gan: GAN, images: data.Images, held_out: data.Images, features: str) -> dict[str, Any]:
    """The part of a card that says how far samples are from the training images, by `features` and EfficientNet.

    "judges": name -> distance, floor, and of how many samples and training images; the first judge's distance and
    floor are the card's own, and "distance_is" and "floor_is" say in words what they are. Where EfficientNet's weights
    are not, "one_judge" says so.
    """
    held_out = shuffled(held_out, len(held_out))
    first = Distance(images, features=features, n=min(JUDGED, len(held_out)), seed=SEED)
    judges = {features: judged(first, gan, held_out) | {"images": len(images)}}
    found: dict[str, Any] = {
        "distance": judges[features]["distance"],
        "distance_is": f"Fréchet, features {features}, {first.n} samples against {len(images)} training images",
        "floor": judges[features]["floor"],
        "floor_is": f"the same distance of {first.n} shuffled images that were held out of training",
        "judges": judges,
    }
    if why := no_second():
        return found | {"one_judge": why}
    some = shuffled(images, SECOND_TRAINED)
    second = Distance(some, features=SECOND, n=min(SECOND_JUDGED, len(held_out)), seed=SEED)
    judges[SECOND] = judged(second, gan, held_out) | {"images": len(some)}
    return found


def counts(gan: GAN, images: data.Images, held_out: data.Images, style: str) -> dict[str, Any]:
    """How often each attribute of portraits is made, against what the same judge names in held-out ones.

    "total_variation": by attribute, 0 for equal shares. "chance": the same of as many training images. "vanished":
    by attribute, the words that a hundredth of the held-out portraits have and that are all but gone.
    """
    n = min(COUNTED, len(held_out), len(images))
    real = name_attributes(shuffled(held_out, n), style)
    made = name_attributes(gan.sample(n, seed=SEED), style)
    drawn = name_attributes(shuffled(images, n), style)
    return {
        "samples": n,
        "judge": JUDGE,
        "total_variation": {name: round(value, 3) for name, value in total_variation(made, real).items()},
        "chance": {name: round(value, 3) for name, value in total_variation(drawn, real).items()},
        "vanished": vanished(made, real),
    }


def near_copies(gan: GAN, images: data.Images, held_out: data.Images, features: str) -> dict[str, Any]:
    """Whether samples lie nearer to training images than held-out images do (`metrics.memorisation`).

    "share": of the samples that are nearer than all but 5 in 100 held-out images; 0.05 by chance, 1 for copies.
    """
    n = min(COUNTED, len(held_out))
    net = load_features(features, images.data.device)
    made = extract(net, gan.sample(n, seed=SEED), floats="any")[0]
    found = memorisation(made, extract(net, images.data)[0], extract(net, shuffled(held_out, n).data)[0])
    return {"samples": n, "features": features} | {
        name: round(value, 3) for name, value in found._asdict().items()
    }


def pinned(gan: GAN, n: int = 8) -> list[float]:
    """The mean pixel of each of the first `n` samples of seed 0, from -1 to 1, by which shipped weights are known."""
    return [round(float(image.mean()), 4) for image in gan.sample(n, seed=0)]
