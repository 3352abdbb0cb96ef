"""DCGAN: Radford, Metz and Chintala (2016), "Unsupervised Representation Learning with Deep Convolutional
Generative Adversarial Networks", section 3.

Strided convolutions in place of pooling, batch normalisation (except where G writes pixels), ReLU in G, leaky
ReLU in D, tanh at the end, and weights drawn from N(0, 0.02). The stem of G is a linear layer and a reshape,
which is what a transposed convolution of a 1x1 image computes. One departure: "dcgan" has no batch norm in D,
"dcgan_2016" has it as published (not where D reads pixels). A norm in D mixes the images of a batch, which a
gradient penalty forbids, and chapter 3 measures that ours does better without.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from .parts import LEAK, refuse_options


def dcgan_start(size: int) -> tuple[int, int]:
    """Side of the stem's feature map, and how many doublings lead from it to `size`.

    28 -> (7, 2), 32 -> (4, 3), 64 -> (4, 4). ValueError for a size that no 4 or 7 doubles into.
    """
    for start in (4, 7):
        doublings = (size // start).bit_length() - 1
        if doublings >= 2 and start * 2**doublings == size:
            return start, doublings
    raise ValueError(
        f"a DCGAN cannot make {size} px images; sizes that work are 16, 28, 32, 56, 64, 128 and 256"
    )


class DCGANGenerator(nn.Module):
    """Convolutional generator, (N, latent_dim) -> (N, channels, size, size) in [-1, 1].

    A 4x4 (or 7x7) map of `width * 2**(doublings - 1)` channels is doubled until it is an image; each doubling
    halves the channels, so that the last hidden map has `width` of them.
    """

    def __init__(self, size: int, channels: int, latent_dim: int, width: int) -> None:
        super().__init__()
        start, doublings = dcgan_start(size)
        wide = width * 2 ** (doublings - 1)
        # No bias before a batch norm: the norm would subtract it again.
        layers: list[nn.Module] = [
            nn.Linear(latent_dim, wide * start * start, bias=False),
            nn.Unflatten(1, (wide, start, start)),
            nn.BatchNorm2d(wide),
            nn.ReLU(),
        ]
        for _ in range(doublings - 1):
            layers += [
                nn.ConvTranspose2d(wide, wide // 2, 4, stride=2, padding=1, bias=False),
                nn.BatchNorm2d(wide // 2),
                nn.ReLU(),
            ]
            wide //= 2
        layers += [nn.ConvTranspose2d(wide, channels, 4, stride=2, padding=1), nn.Tanh()]
        self.net = nn.Sequential(*layers)
        self.apply(dcgan_init)

    def forward(self, z: Tensor) -> Tensor:
        images: Tensor = self.net(z)
        return images


class DCGANDiscriminator(nn.Module):
    """Convolutional discriminator, (N, channels, size, size) -> logits (N,).

    The generator's mirror: each strided convolution halves the side and doubles the channels, from `width`.
    `batch_norm=True` puts a norm after every convolution but the first.
    """

    def __init__(self, size: int, channels: int, width: int, batch_norm: bool = False) -> None:
        super().__init__()
        start, halvings = dcgan_start(size)
        layers: list[nn.Module] = [nn.Conv2d(channels, width, 4, stride=2, padding=1), nn.LeakyReLU(LEAK)]
        for _ in range(halvings - 1):
            layers.append(nn.Conv2d(width, 2 * width, 4, stride=2, padding=1, bias=not batch_norm))
            layers += [nn.BatchNorm2d(2 * width)] * batch_norm + [nn.LeakyReLU(LEAK)]
            width *= 2
        self.net = nn.Sequential(*layers, nn.Flatten(), nn.Linear(width * start * start, 1))
        self.apply(dcgan_init)

    def forward(self, images: Tensor) -> Tensor:
        logits: Tensor = self.net(images)
        return logits.squeeze(1)


def dcgan_init(module: nn.Module) -> None:
    """DCGAN's start: weights from N(0, 0.02), norm scales from N(1, 0.02), biases 0. For `Module.apply`."""
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
        nn.init.normal_(module.weight, 0.0, 0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)
        nn.init.zeros_(module.bias)


def build_dcgan(
    size: int, channels: int, latent_dim: int, width: int, **options: Any
) -> tuple[nn.Module, nn.Module]:
    """A DCGAN generator, and a discriminator without batch norm."""
    refuse_options("dcgan", options)
    return DCGANGenerator(size, channels, latent_dim, width), DCGANDiscriminator(size, channels, width)


def build_dcgan_2016(
    size: int, channels: int, latent_dim: int, width: int, **options: Any
) -> tuple[nn.Module, nn.Module]:
    """A DCGAN as published: batch norm in D too."""
    refuse_options("dcgan_2016", options)
    discriminator = DCGANDiscriminator(size, channels, width, batch_norm=True)
    return DCGANGenerator(size, channels, latent_dim, width), discriminator
