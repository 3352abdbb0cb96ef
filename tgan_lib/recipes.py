"""How the shipped weights were made: one function for each, run by `python -m tgan_lib zoo build NAME`.

Training is seeded, but two machines (or two versions of torch) round differently, so a rebuilt model has the
same quality and another hash.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable
from pathlib import Path

import torch
from safetensors.torch import save
from torch import Tensor
from torch.nn.functional import cross_entropy

from . import data, features, zoo
from .gan import GAN, default_device
from .latent import attribute_directions
from .machine import provenance
from .metrics import Distance
from .training import train

MNIST_LICENCE = "CC BY-SA 3.0 (the MNIST data, LeCun, Cortes and Burges)"


def shift(images: Tensor, pixels: int, rng: torch.Generator) -> Tensor:
    """The batch moved as one by a random whole number of pixels, the edge filled with background."""
    dx, dy = torch.randint(-pixels, pixels + 1, (2,), generator=rng).tolist()
    return torch.nn.functional.pad(images, (dx, -dx, dy, -dy), value=-1.0)


def build_features_mnist(folder: Path, epochs: int = 4, batch_size: int = 128, seed: int = 0) -> None:
    """features-mnist-v1: DigitNet trained to classify MNIST's digits, with shifts of up to 2 pixels."""
    started = time.perf_counter()
    train_set, test_set = data.load("mnist"), data.load("mnist", split="test")
    torch.manual_seed(seed)
    net = features.DigitNet().to(default_device())
    steps = epochs * (len(train_set) // batch_size)
    optimiser = torch.optim.AdamW(net.parameters(), 2e-3, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimiser, 4e-3, total_steps=steps)
    sampler = data.Sampler(len(train_set), batch_size, seed=seed, device=train_set.data.device)
    rng = torch.Generator().manual_seed(seed)
    assert train_set.labels is not None
    assert test_set.labels is not None
    for _ in range(steps):
        indices = sampler.next()
        loss = cross_entropy(
            net(shift(train_set.batch(indices), 2, rng)), train_set.labels[indices], label_smoothing=0.05
        )
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        schedule.step()
    net.eval()
    # what is shipped is fp16, so that is what is measured
    net.load_state_dict({key: zoo.half(t).to(t.dtype) for key, t in net.state_dict().items()})
    accuracy = (features.extract(net, test_set.data)[1].argmax(1) == test_set.labels).float().mean().item()
    weights = save({key: zoo.half(t) for key, t in net.state_dict().items()})
    (folder / "features-mnist-v1.safetensors").write_bytes(weights)
    described = {
        "title": "MNIST digit classifier whose last hidden layer is the feature space of our MNIST distances",
        "version": 1,
        "data": "MNIST, 60 000 training images",
        "licence": MNIST_LICENCE,
        "test_accuracy": round(accuracy, 4),
        "recipe": f"{epochs} epochs, batch {batch_size}, AdamW, one-cycle rate to 4e-3, shifts of 2 px, "
        "label smoothing 0.05",
        "sha256": hashlib.sha256(weights).hexdigest(),
        "seconds": round(time.perf_counter() - started),
        **provenance(),
    }
    (folder / "features-mnist-v1.json").write_text(json.dumps(described, indent=2) + "\n")
    print(f"features-mnist-v1: test accuracy {accuracy:.4f}")


def build_mnist_dcgan(folder: Path, steps: int = 10_000, batch_size: int = 64, seed: int = 0) -> None:
    """mnist-dcgan: the DCGAN of chapter 3, twice as wide and trained for longer."""
    started = time.perf_counter()
    images, test_set = data.load("mnist"), data.load("mnist", split="test")
    gan = GAN.build("dcgan", size=28, channels=1, latent_dim=64, width=64, seed=seed)
    distance = Distance(images)
    history = train(
        gan,
        images,
        steps=steps,
        batch_size=batch_size,
        seed=seed,
        metric=distance,
        metric_every=4000,
        log_every=500,
        ema_half_life=20_000,
        learning_rate=(1e-3, 5e-4),
        betas=(0.5, 0.9),
    )
    gan.directions = attribute_directions(gan)
    described = {
        "name": "mnist-dcgan",
        "title": "DCGAN of 28x28 handwritten digits",
        "data": "MNIST, 60 000 training images",
        "licence": f"weights MIT; data {MNIST_LICENCE}",
        "distance": round(history.last("distance"), 2),
        "distance_is": "Fréchet, features mnist-v1, 10 000 samples against the 60 000 training images",
        "floor": round(distance.of_images(test_set.data), 2),
        "floor_is": "the same distance of MNIST's 10 000 test images",
        "recipe": f"{steps} steps, batch {batch_size}, non-saturating loss, Adam 1e-3 for G and 5e-4 for D, "
        f"betas (0.5, 0.9), average over a half-life of 20 000 images, seed {seed}",
        "seconds": round(time.perf_counter() - started),
        **provenance(),
    }
    zoo.write(folder / "mnist-dcgan", gan, described)
    print(json.dumps(described, indent=2))


RECIPES: dict[str, Callable[[Path], None]] = {
    "features-mnist-v1": build_features_mnist,
    "mnist-dcgan": build_mnist_dcgan,
}


def build(name: str, out: str | Path | None = None) -> None:
    """Run a recipe and write its files into `out` (the package's own folder by default)."""
    folder = zoo.FOLDER if out is None else Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    RECIPES[name](folder)
