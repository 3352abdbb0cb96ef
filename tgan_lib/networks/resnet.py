"""The spectral-norm ResNet: Miyato, Kataoka, Koyama and Yoshida (2018), "Spectral Normalization for Generative
Adversarial Networks", appendix B.

Both networks are stacks of residual blocks that work before they resample down and after they resample up:

    G   x + conv(relu(norm(conv(up(relu(norm(x)))))))        batch norm, nearest upsampling
    D   x + pool(conv(relu(conv(relu(x)))))                  no norm, average pooling, every weight W / sigma(W)

where x on the left goes through its own resampling and a 1x1 convolution. D's first block reads pixels, which no
ReLU may cut, so it begins with a convolution. D ends with a sum over all positions and one linear map. The maps
are as wide as in the paper's networks for large images: `width` beside the image, doubled with every halving of
the side, at most 16 times; at 28 and 32 px the paper's are equally wide throughout and cost more.

It was published with the hinge loss, Adam at 2e-4 with betas (0.0, 0.9), and five steps of D for one of G.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from .dcgan import dcgan_start
from .parts import Discriminator, Generator, Residual, add_spectral_norm, pick, refuse_options

DISCRIMINATOR_NORMS = {"spectral": add_spectral_norm, "none": None}


def resnet_widths(width: int, doublings: int) -> list[int]:
    """Channels of the maps whose side is the image's, half of it, a quarter, ...: `doublings` + 1 of them."""
    return [width * min(2**halvings, 16) for halvings in range(doublings + 1)]


def conv3(before: int, after: int, bias: bool = True) -> nn.Conv2d:
    return nn.Conv2d(before, after, 3, padding=1, bias=bias)


def conv1(before: int, after: int) -> nn.Conv2d:
    return nn.Conv2d(before, after, 1, bias=False)  # added to a branch that has a bias


class ResNetGenerator(Generator):
    """Residual generator, (N, latent_dim) -> (N, channels, size, size) in [-1, 1]."""

    def __init__(self, size: int, channels: int, latent_dim: int, width: int) -> None:
        super().__init__(size, channels, latent_dim, width)
        start, doublings = dcgan_start(size)
        *narrower, wide = resnet_widths(width, doublings)
        layers: list[nn.Module] = [
            nn.Linear(latent_dim, wide * start * start),
            nn.Unflatten(1, (int(wide), start, start)),
        ]
        for after in reversed(narrower):
            layers.append(up_block(wide, after))
            wide = after
        self.net = nn.Sequential(*layers, nn.BatchNorm2d(width), nn.ReLU(), conv3(width, channels), nn.Tanh())
        glorot(self.net)


class ResNetDiscriminator(Discriminator):
    """Residual discriminator, (N, channels, size, size) -> logits (N,). `norm`: "spectral" or "none"."""

    def __init__(self, size: int, channels: int, width: int, norm: str = "spectral") -> None:
        super().__init__(size, channels, width)
        _, halvings = dcgan_start(size)
        normalise = pick("norm", DISCRIMINATOR_NORMS, norm)
        _, *wider = resnet_widths(width, halvings - 1)
        layers: list[nn.Module] = [first_block(channels, width)]
        for after in wider:
            layers.append(down_block(width, after))
            width = after
        last = Residual(
            nn.Sequential(nn.ReLU(), conv3(width, width), nn.ReLU(), conv3(width, width)), nn.Identity()
        )
        self.net = nn.Sequential(*layers, last, nn.ReLU(), SumPool(), nn.Linear(width, 1))
        glorot(self.net)
        if normalise is not None:
            self.net.apply(normalise)


def up_block(before: int, after: int) -> Residual:
    """Doubles the side. The skip's 1x1 convolution comes before its upsampling: the same map, a quarter the cost."""
    main = nn.Sequential(
        nn.BatchNorm2d(before),
        nn.ReLU(),
        nn.Upsample(scale_factor=2),
        conv3(before, after, bias=False),
        nn.BatchNorm2d(after),
        nn.ReLU(),
        conv3(after, after),
    )
    return Residual(main, nn.Sequential(conv1(before, after), nn.Upsample(scale_factor=2)))


def down_block(before: int, after: int) -> Residual:
    """Halves the side. The skip averages before its 1x1 convolution, for the same reason."""
    main = nn.Sequential(nn.ReLU(), conv3(before, before), nn.ReLU(), conv3(before, after), nn.AvgPool2d(2))
    return Residual(main, nn.Sequential(nn.AvgPool2d(2), conv1(before, after)))


def first_block(channels: int, after: int) -> Residual:
    """Halves the side of images."""
    main = nn.Sequential(conv3(channels, after), nn.ReLU(), conv3(after, after), nn.AvgPool2d(2))
    return Residual(main, nn.Sequential(nn.AvgPool2d(2), conv1(channels, after)))


class SumPool(nn.Module):
    """(N, C, H, W) -> (N, C): the sum over all positions."""

    def forward(self, x: Tensor) -> Tensor:
        return x.sum((2, 3))


def glorot(net: nn.Sequential) -> None:
    """Weights as in the authors' code: Glorot and Bengio's uniform, with a gain of sqrt(2) inside main branches,
    where ReLUs halve the variance; biases 0.
    """
    inside = {m for block in net if isinstance(block, Residual) for m in block.main.modules()}
    for module in net.modules():
        if isinstance(module, (nn.Conv2d, nn.Linear)):
            nn.init.xavier_uniform_(module.weight, gain=2**0.5 if module in inside else 1.0)
            if module.bias is not None:
                nn.init.zeros_(module.bias)


def build_resnet(
    size: int, channels: int, latent_dim: int, width: int, **options: Any
) -> tuple[nn.Module, nn.Module]:
    """A residual generator and discriminator. One option: D's `norm`, "spectral" or "none"."""
    refuse_options("resnet", options, ("norm",))
    generator = ResNetGenerator(size, channels, latent_dim, width)
    return generator, ResNetDiscriminator(size, channels, width, **options)
