"""How the feature networks were made: small classifiers of digits, of photographs and of drawn images.

cifar10-v1 and glyphs-v1 are `features.SmallNet`s, trained with stochastic gradient descent, Nesterov's momentum
and one cycle of the rate (Smith and Topin 2019, "Super-Convergence"), on images that are moved by a few pixels and,
where a mirror image is still of its class, flipped. Everything happens on the images' device.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from .. import data
from ..data import glyphs
from ..data.pixels import resize, to_channels, to_float
from ..device import default_device
from ..features.load import extract
from ..features.networks import DigitNet, FeatureNet, SmallNet
from ..files import half, write_pair
from ..provenance import provenance

MNIST_LICENCE = "CC BY-SA 3.0 (the MNIST data, LeCun, Cortes and Burges)"
CIFAR10_LICENCE = "its authors state none and ask to be cited (CIFAR-10: Krizhevsky, 2009)"


def moved(images: Tensor, pixels: int, mirror: bool, rng: torch.Generator | None = None) -> Tensor:
    """Each image (N, C, H, W) moved by up to `pixels` down and across, and half of them flipped if `mirror`.

    What comes in from outside repeats the edge. `rng` lives on the images' device.
    """
    n, _, height, width = images.shape
    device = images.device
    down, across = torch.randint(-pixels, pixels + 1, (2, n, 1), generator=rng, device=device)
    rows = (torch.arange(height, device=device) + down).clamp(0, height - 1)  # (N, H)
    columns = (torch.arange(width, device=device) + across).clamp(0, width - 1)  # (N, W)
    if mirror:
        flipped = torch.rand(n, 1, generator=rng, device=device) < 0.5
        columns = torch.where(flipped, columns.flip(1), columns)
    image = torch.arange(n, device=device)[:, None, None]
    return images[image, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


def train_classifier(
    net: FeatureNet,
    images: data.Images,
    *,
    steps: int,
    batch_size: int = 128,
    pixels: int = 4,
    mirror: bool = False,
    rate: float = 0.1,
    seed: int = 0,
) -> None:
    """Train `net` in place to tell the classes of `images`, and leave it in eval mode, its weights rounded to
    fp16: what is shipped is what will be measured."""
    if images.labels is None:
        raise ValueError(f"{images.name} has no labels; a classifier needs a class for every image")
    net.to(images.device, memory_format=torch.channels_last).train()  # type: ignore[call-overload]
    optimiser = torch.optim.SGD(net.parameters(), rate, momentum=0.9, nesterov=True, weight_decay=5e-4)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, rate, total_steps=steps, cycle_momentum=False)
    sampler = data.Sampler(len(images), batch_size, seed=seed, device=images.device)
    rng = torch.Generator(images.device).manual_seed(seed)
    for _ in range(steps):
        indices = sampler.next()
        batch = to_float(moved(images.data[indices], pixels, mirror, rng))
        loss = cross_entropy(net(batch), images.labels[indices], label_smoothing=0.1)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    net.load_state_dict({key: half(t).to(t.dtype) for key, t in net.state_dict().items()})
    net.eval()


def accuracy(net: FeatureNet, images: data.Images) -> float:
    """The share of `images` whose class `net` finds."""
    assert images.labels is not None
    return (extract(net, images.data)[1].argmax(1) == images.labels).float().mean().item()


def write_features(folder: Path, name: str, net: FeatureNet, described: dict[str, Any]) -> dict[str, Any]:
    """Write `net` as fp16 safetensors with its card beside it, and return the card, completed."""
    if isinstance(net, SmallNet):  # a DigitNet comes in one size
        fields = ("size", "channels", "n_features", "n_classes", "width")
        described = described | {"config": {field: getattr(net, field) for field in fields}}
    weights = {key: half(t) for key, t in net.state_dict().items()}
    described = write_pair(folder / f"features-{name}", weights, described)
    print(f"features-{name}: test accuracy {described['test_accuracy']:.4f}")
    return described


def shift(images: Tensor, pixels: int, rng: torch.Generator) -> Tensor:
    """The batch moved as one by a random whole number of pixels, the edge filled with background."""
    dx, dy = torch.randint(-pixels, pixels + 1, (2,), generator=rng).tolist()
    return torch.nn.functional.pad(images, (dx, -dx, dy, -dy), value=-1.0)


def build_features_mnist(
    folder: Path,
    train_set: data.Images | None = None,
    test_set: data.Images | None = None,
    *,
    epochs: int = 4,
    batch_size: int = 128,
    seed: int = 0,
) -> None:
    """features-mnist-v1: DigitNet trained to classify MNIST's digits, with shifts of up to 2 pixels."""
    started = time.perf_counter()
    train_set = data.load("mnist") if train_set is None else train_set
    test_set = data.load("mnist", split="test") if test_set is None else test_set
    torch.manual_seed(seed)
    net = DigitNet().to(default_device())
    steps = epochs * (len(train_set) // batch_size)
    optimiser = torch.optim.AdamW(net.parameters(), 2e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 4e-3, total_steps=steps)
    sampler = data.Sampler(len(train_set), batch_size, seed=seed, device=train_set.data.device)
    rng = torch.Generator().manual_seed(seed)
    assert train_set.labels is not None
    for _ in range(steps):
        indices = sampler.next()
        batch = shift(train_set.batch(indices), 2, rng)
        loss = cross_entropy(net(batch), train_set.labels[indices], label_smoothing=0.05)
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    net.load_state_dict({key: half(t).to(t.dtype) for key, t in net.state_dict().items()})
    net.eval()
    described = {
        "title": "MNIST digit classifier whose last hidden layer is the feature space of our MNIST distances",
        "version": 1,
        "data": f"MNIST, {len(train_set)} training images",
        "licence": MNIST_LICENCE,
        "test_accuracy": round(accuracy(net, test_set), 4),
        "recipe": f"{epochs} epochs, batch {batch_size}, AdamW, one-cycle rate to 4e-3, shifts of 2 px, "
        "label smoothing 0.05",
        "seconds": round(time.perf_counter() - started),
        **provenance(),
    }
    write_features(folder, "mnist-v1", net, described)


def build_features_cifar10(
    folder: Path,
    train_set: data.Images | None = None,
    test_set: data.Images | None = None,
    *,
    epochs: int = 6,
    batch_size: int = 128,
    seed: int = 0,
    steps: int | None = None,
) -> None:
    """features-cifar10-v1: a SmallNet of 32 px colour images. Give the two sets to use a copy of CIFAR-10 in zips."""
    started = time.perf_counter()
    train_set = data.load("cifar10") if train_set is None else train_set
    test_set = data.load("cifar10", split="test") if test_set is None else test_set
    steps = steps or epochs * (len(train_set) // batch_size)
    torch.manual_seed(seed)
    net = SmallNet(train_set.data.shape[2], 3, 128, len(train_set.class_names), 16).to(default_device())
    train_classifier(net, train_set, steps=steps, batch_size=batch_size, mirror=True, seed=seed)
    # a zip of images holds JPEGs, and `data.load("cifar10")` says so itself where it has taken one
    jpeg = "zip" in train_set.source
    described = {
        "title": "CIFAR-10 classifier whose averaged last maps are the feature space of our distances in colour",
        "version": 1,
        "data": f"{'a JPEG copy (slightly lossy) of ' * jpeg}CIFAR-10, {len(train_set)} training images, from "
        f"{train_set.source}",
        "licence": f"weights MIT; data: {CIFAR10_LICENCE}",
        "test_accuracy": round(accuracy(net, test_set), 4),
        "test_data": f"{len(test_set)} test images, from {test_set.source}",
        "recipe": f"{steps} steps, batch {batch_size}, SGD with Nesterov momentum 0.9, one-cycle rate to 0.1, weight "
        f"decay 5e-4, shifts of 4 px and flips, label smoothing 0.1, seed {seed}",
        "seconds": round(time.perf_counter() - started),
        **provenance(),
    }
    write_features(folder, "cifar10-v1", net, described)


def drawn_world(each: int, seed: int, size: int = 64) -> data.Images:
    """`each` images of each drawn domain in each of four forms: colour and grey, drawn at `size` and at half of it.

    All are `size` px in colour here. A class is a domain and its class: "digits 7", "textures dots".
    """
    parts, labels = [], []
    names: list[str] = []
    for number, (domain, world) in enumerate(glyphs.DOMAINS.items()):
        for form, (side, channels) in enumerate(((size, 3), (size, 1), (size // 2, 3), (size // 2, 1))):
            seed_of_part = seed * 1000 + number * 10 + form  # no picture comes twice
            pictures, classes, _ = glyphs.draw(domain, each, size=side, channels=channels, seed=seed_of_part)
            parts.append(to_channels(resize(pictures, size), 3))
            labels.append(classes + len(names))
        names += [f"{domain} {name}" for name in world.names]
    images = data.Images(
        torch.cat(parts), torch.cat(labels), tuple(names), "glyphs of all domains", "drawn glyphs"
    )
    return images.to(default_device())


def build_features_glyphs(
    folder: Path,
    *,
    each: int = 2500,
    epochs: int = 2,
    batch_size: int = 128,
    seed: int = 0,
    steps: int | None = None,
) -> None:
    """features-glyphs-v1: a SmallNet that tells every class of every drawn domain, grey or colour."""
    started = time.perf_counter()
    train_set, test_set = drawn_world(each, 1), drawn_world(-(-each // 10), 2)
    steps = steps or epochs * (len(train_set) // batch_size)
    torch.manual_seed(seed)
    net = SmallNet(64, 3, 128, len(train_set.class_names), 16).to(default_device())
    train_classifier(net, train_set, steps=steps, batch_size=batch_size, pixels=4, seed=seed)
    described = {
        "title": "Classifier of all drawn domains whose averaged last maps are the feature space of our distances "
        "between drawn images",
        "version": 1,
        "data": f"{len(train_set)} images drawn by tgan_lib.glyphs: {', '.join(glyphs.DOMAINS)}; colour and grey, "
        "at 64 px and at 32 px resized",
        "licence": "MIT",
        "classes": list(train_set.class_names),
        "test_accuracy": round(accuracy(net, test_set), 4),
        "test_data": f"{len(test_set)} images drawn with other seeds",
        "recipe": f"{steps} steps, batch {batch_size}, SGD with Nesterov momentum 0.9, one-cycle rate to 0.1, weight "
        f"decay 5e-4, shifts of 4 px, label smoothing 0.1, seed {seed}",
        "seconds": round(time.perf_counter() - started),
        **provenance(),
    }
    write_features(folder, "glyphs-v1", net, described)
