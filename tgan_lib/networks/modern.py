"""A small network after R3GAN: Huang, Gokaslan, Kuleshov and Tompkin (2024), "The GAN is dead; long live the GAN!
A Modern GAN Baseline", section 4.

No normalisation anywhere. A residual block is an inverted bottleneck with a grouped middle,

    x + W3 a(W2 a(W1 x + b1) + b2),     W1 1x1, c -> 2c;  W2 3x3 in groups;  W3 1x1, 2c -> c;  a leaky ReLU,

and what keeps it trainable is how it starts: W3 = 0, so that every block begins as the identity, and W1 and W2
are drawn with He's standard deviation times L^(-1/4), where L counts the blocks of a network (Zhang, Dauphin and
Ma 2019, "Fixup Initialization: Residual Learning Without Normalization", with three layers in a branch). Only W1
and W2 have biases. A side is doubled or halved by the filter [1, 3, 3, 1] and nothing learned; a 1x1 convolution
changes the channels. G starts from a learned basis of 4x4 (or 7x7) maps, each scaled by a linear function of z;
D ends with the same in reverse, a learned map for each channel that weighs its positions, and a linear function.
D is G turned round, with as many parameters but for that linear function.

It is meant for the relativistic loss with R1 and R2. Departures from the paper, for a CPU's sake: pixels are
painted and read at once from maps of half the image's side, by a 4x4 convolution with stride 2 as in a DCGAN (a
1x1 convolution of maps as large as the image, where most of the time would go); those maps are `width` wide, and
twice as wide with every halving, up to 8 times (768 up to 32 px, then halved); one block a stage (two), and
two more where the smallest maps are 7x7, or D would not see whether far corners belong together. And a tanh at the
end, since images here are in [-1, 1] (none, which is `output="linear"`).

    blocks        residual blocks at each size, 1
    expansion     channels inside a block for each one outside, 2
    cardinality   groups of the 3x3 convolution where maps are `width` wide, 4; elsewhere in proportion, so that a
                  group has the same number of channels everywhere (16 for a width of 32, as in the paper)
    output        "tanh", "linear" or "sigmoid"
"""

from __future__ import annotations

from math import sqrt
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import conv2d, conv_transpose2d

from ..errors import whole_number
from .dcgan import OUTPUTS, dcgan_start
from .parts import LEAK, Discriminator, Generator, Residual, pick, refuse_options

GAIN = sqrt(2 / (1 + LEAK**2))  # He et al. (2015): what a leaky ReLU takes from the variance


def modern_widths(width: int, doublings: int) -> list[int]:
    """Channels of the stages whose side is half the image's, a quarter, ...: as many as doublings."""
    return [width * min(2**halvings, 8) for halvings in range(doublings)]


class ModernGenerator(Generator):
    """Residual generator without norms, (N, latent_dim) -> (N, channels, size, size) in [-1, 1]."""

    def __init__(
        self,
        size: int,
        channels: int,
        latent_dim: int,
        width: int,
        *,
        blocks: int = 1,
        expansion: int = 2,
        cardinality: int = 4,
        output: str = "tanh",
    ) -> None:
        super().__init__(size, channels, latent_dim, width)
        start, doublings = dcgan_start(size)
        check_numbers(width, blocks, expansion, cardinality)
        widths = modern_widths(width, doublings)[::-1]
        further = 2 * int(start == 7)
        scale = (len(widths) * blocks + further) ** -0.25
        layers: list[nn.Module] = [GenerativeBasis(latent_dim, widths[0], start)]
        for i, wide in enumerate(widths):
            if i > 0:
                layers += [*changed(widths[i - 1], wide), Resample(up=True)]
            more = further if i == 0 else 0
            layers += [
                block(wide, expansion, cardinality * wide // width, scale) for _ in range(blocks + more)
            ]
        self.net = nn.Sequential(
            *layers,
            drawn(nn.ConvTranspose2d(width, channels, 4, stride=2, padding=1, bias=False)),
            pick("output", OUTPUTS, output)(),
        )


class ModernDiscriminator(Discriminator):
    """The generator turned round, (N, channels, size, size) -> logits (N,)."""

    def __init__(
        self,
        size: int,
        channels: int,
        width: int,
        *,
        blocks: int = 1,
        expansion: int = 2,
        cardinality: int = 4,
    ) -> None:
        super().__init__(size, channels, width)
        start, halvings = dcgan_start(size)
        check_numbers(width, blocks, expansion, cardinality)
        widths = modern_widths(width, halvings)
        further = 2 * int(start == 7)
        scale = (len(widths) * blocks + further) ** -0.25
        layers: list[nn.Module] = [drawn(nn.Conv2d(channels, width, 4, stride=2, padding=1, bias=False))]
        for i, wide in enumerate(widths):
            if i > 0:
                layers += [Resample(up=False), *changed(widths[i - 1], wide)]
            more = further if i == len(widths) - 1 else 0
            layers += [
                block(wide, expansion, cardinality * wide // width, scale) for _ in range(blocks + more)
            ]
        self.net = nn.Sequential(
            *layers,
            drawn(nn.Conv2d(widths[-1], widths[-1], start, groups=widths[-1], bias=False)),
            nn.Flatten(),
            drawn(nn.Linear(widths[-1], 1, bias=False)),
        )


def block(wide: int, expansion: int, groups: int, scale: float) -> Residual:
    """An inverted bottleneck that starts as the identity. `scale`: what He's standard deviation is multiplied by."""
    inside = expansion * wide
    main = nn.Sequential(
        drawn(nn.Conv2d(wide, inside, 1), GAIN * scale),
        nn.LeakyReLU(LEAK),
        drawn(nn.Conv2d(inside, inside, 3, padding=1, groups=groups), GAIN * scale),
        nn.LeakyReLU(LEAK),
        drawn(nn.Conv2d(inside, wide, 1, bias=False), 0.0),
    )
    return Residual(main, nn.Identity())


def drawn(layer: nn.Conv2d | nn.ConvTranspose2d | nn.Linear, gain: float = 1.0) -> nn.Module:
    """`layer` with weights from N(0, gain^2 / fan-in) and biases 0."""
    fan_in = layer.weight[0].numel()
    if isinstance(layer, nn.ConvTranspose2d):  # stride 2: a pixel is reached by a quarter of the kernel
        fan_in = layer.weight[:, 0].numel() // 4
    nn.init.normal_(layer.weight, 0.0, gain / sqrt(fan_in))
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


def changed(before: int, after: int) -> list[nn.Module]:
    """A 1x1 convolution where the number of channels changes, nothing where it does not."""
    return [drawn(nn.Conv2d(before, after, 1, bias=False))] if before != after else []


class GenerativeBasis(nn.Module):
    """Learned maps scaled by a linear function of z: (N, latent_dim) -> (N, wide, start, start)."""

    def __init__(self, latent_dim: int, wide: int, start: int) -> None:
        super().__init__()
        self.maps = nn.Parameter(torch.randn(wide, start, start))
        self.linear = drawn(nn.Linear(latent_dim, wide, bias=False))

    def forward(self, z: Tensor) -> Tensor:
        images: Tensor = self.linear(z)[:, :, None, None] * self.maps
        return images


class Resample(nn.Module):
    """Twice the side (`up`) or half of it, through the filter [1, 3, 3, 1] in both directions.

    Away from the border, where zeros are seen beyond it, that is bilinear interpolation, antialiased on the way
    down. Written as a convolution of each channel alone, it is several times faster than `interpolate` on a CPU.
    """

    kernel: Tensor

    def __init__(self, up: bool) -> None:
        super().__init__()
        self.up = up
        line = torch.tensor([1.0, 3.0, 3.0, 1.0]) / (4 if up else 8)
        self.register_buffer("kernel", torch.outer(line, line), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        channels = x.shape[1]
        kernel = self.kernel.expand(channels, 1, 4, 4)
        resample = conv_transpose2d if self.up else conv2d
        return resample(x, kernel, stride=2, padding=1, groups=channels)


def check_numbers(width: int, blocks: int, expansion: int, cardinality: int) -> None:
    """ValueError for numbers that make no network."""
    for name, value in (("blocks", blocks), ("expansion", expansion), ("cardinality", cardinality)):
        whole_number(name, value)
    if expansion * width % cardinality:
        raise ValueError(
            f"cardinality is {cardinality}, which does not divide the {expansion * width} channels inside a block; "
            f"they are expansion ({expansion}) times width ({width})"
        )


def build_modern(
    size: int, channels: int, latent_dim: int, width: int, **options: Any
) -> tuple[nn.Module, nn.Module]:
    """A generator and a discriminator after R3GAN. Options as at the file's head."""
    refuse_options("modern", options, ("blocks", "expansion", "cardinality", "output"))
    generator = ModernGenerator(size, channels, latent_dim, width, **options)
    shared = {name: value for name, value in options.items() if name != "output"}
    return generator, ModernDiscriminator(size, channels, width, **shared)
