"""Chapter 11's networks: those that a D looks through or starts as, and the judges of its samples."""

from __future__ import annotations

import torch
from measured import labels_of
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from tgan_lib import data
from tgan_lib.features import DigitNet, FeatureNet, extract
from tgan_lib.metrics import frechet_between, moments, prdc
from tgan_lib.networks.dcgan import dcgan_encoder
from tgan_lib.zoo.recipes_features import train_classifier


def letter_net(letters: data.Images, steps: int) -> FeatureNet:
    """A network of mnist-v1's shape that tells Omniglot's characters apart and has seen no digit."""
    torch.manual_seed(0)
    net = DigitNet()
    net.n_classes = int(labels_of(letters).max()) + 1
    net.head = nn.Linear(net.n_features, net.n_classes)
    train_classifier(net, letters, steps=steps, batch_size=64, pixels=2, seed=0)
    return net.requires_grad_(False)


def untrained_net(images: Tensor) -> FeatureNet:
    """A network of mnist-v1's shape that knows nothing: random weights, its norms' statistics those of `images`."""
    torch.manual_seed(0)
    net = DigitNet().train()
    for module in net.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.momentum = None  # the plain mean over what passes
    with torch.no_grad():
        net(images)
    return net.requires_grad_(False).eval()


def labelled_training(
    net: nn.Module, images: data.Images, steps: int, batch_size: int, rate: float, seed: int
) -> None:
    """Train what of `net` may train to name the classes of `images`."""
    optimiser = torch.optim.Adam([p for p in net.parameters() if p.requires_grad], rate)
    sampler = data.Sampler(len(images), batch_size, seed=seed)
    for _ in range(steps):
        indices = sampler.next()
        loss = cross_entropy(net(images.batch(indices)), labels_of(images)[indices])
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()


def encoder(width: int, outputs: int, seed: int) -> nn.Sequential:
    """A network of a plain D's shape, with PyTorch's own starting weights, which suit a classifier better."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return dcgan_encoder(28, 1, width, outputs, init="default")


def take_trunk(target: nn.Sequential, source: nn.Sequential) -> None:
    """Every layer but the last starts as the source's."""
    target[:-1].load_state_dict(source[:-1].state_dict())


class Judge:
    """A feature network and what it sees in real images."""

    def __init__(self, net: FeatureNet, real: Tensor) -> None:
        self.net = net
        self.real = extract(net, real)[0]
        self.mean, self.cov = moments(self.real)

    def distance(self, samples: Tensor) -> float:
        return frechet_between(*moments(extract(self.net, samples, floats="any")[0]), self.mean, self.cov)

    def report(self, samples: Tensor) -> dict[str, float]:
        """Distance, precision and recall (k = 3, as many real images as samples)."""
        fake = extract(self.net, samples, floats="any")[0]
        found = prdc(self.real[: len(fake)], fake, 3)
        return {
            "distance": rounded(frechet_between(*moments(fake), self.mean, self.cov)),
            "precision": round(found.precision, 4),
            "recall": round(found.recall, 4),
        }


def rounded(value: float) -> float:
    return float(f"{value:.4g}")
