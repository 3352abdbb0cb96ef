"""DCGAN: Radford, Metz and Chintala (2016), "Unsupervised Representation Learning with Deep Convolutional
Generative Adversarial Networks", section 3.

Strided convolutions in place of pooling, batch normalisation (except where G writes pixels), ReLU in G, leaky
ReLU in D, tanh at the end, and weights drawn from N(0, 0.02). The stem of G is a linear layer and a reshape,
which is what a transposed convolution of a 1x1 image computes. One departure: "dcgan" has no batch norm in D,
"dcgan_2016" has it as published (not where D reads pixels). A norm in D mixes the images of a batch, which a
gradient penalty forbids.

Every guideline can be left out by an option of `GAN.build`, so that it can be measured:

    generator_norm         "batch", or "none" (the maps before it then have biases)
    generator_activation   "relu", or "leaky"
    upsampling             "transposed", or "nearest": pixels repeated, then a 3x3 convolution, which has no
                           checkerboard to unlearn (Odena, Dumoulin and Olah 2016)
    output                 "tanh", "linear" (no bound), or "sigmoid" (cannot paint below 0, so no dark half)
    norm                   D's: "none", "batch" or "spectral" (see `add_spectral_norm`)
    blocks                 D's: "plain", "residual" or "dense"
    dropout                D's: the share of numbers dropped after each block, 0.0 to below 1
    pooling                D's: True puts a 3x3 convolution and a 2x2 max pool in place of each strided one, at
                           2.25 times the multiplications
    init                   both: "dcgan", or "default" (PyTorch's own)

And what the search of book/studies/defaults.py chose among, which makes the network "conv":

    start                  both: the side of the smallest map, 4, or 7 (by default the one that doubles into `size`;
                           28 px from 4 go 4, 7, 14, 28)
    head                   D's: "linear", one linear map of that last map, as published; or "hidden", a layer of 128
                           and a leaky ReLU between. A linear end adds up what it sees here and there, and so cannot
                           see whether two far parts of an image belong together; a hidden layer can.
    minibatch_std          D's: 0, or how many images of a batch are compared in one map more (`parts.MinibatchStd`)
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from torch import nn

from ..errors import real_number, true_or_false, whole_number
from .parts import (
    LEAK,
    Dense,
    Discriminator,
    Generator,
    MinibatchStd,
    Residual,
    add_spectral_norm,
    check_module,
    pick,
    refuse_options,
)

Halve = Callable[[int, int], list[nn.Module]]
HIDDEN = 128  # numbers in the hidden layer of D's head


def dcgan_start(size: int) -> tuple[int, int]:
    """Side of the first feature map, and how many doublings lead from it to `size`.

    28 -> (7, 2), 32 -> (4, 3), 64 -> (4, 4). ValueError for a size that no 4 or 7 doubles into.
    """
    size = whole_number("size", size)
    for start in (4, 7):
        doublings = (size // start).bit_length() - 1
        if doublings >= 2 and start * 2**doublings == size:
            return start, doublings
    raise ValueError(
        f"size is {size}, and a convolutional network here cannot make {size} px images; "
        "sizes that work are 16, 28, 32, 56, 64, 128 and 256"
    )


def sides(size: int, start: int | None = None) -> list[int]:
    """The sides of the maps from the smallest to the image: 28 -> [7, 14, 28]; from 4 -> [4, 7, 14, 28].

    Each is twice the one before, or one less than twice. ValueError for a start that does not lead to `size`.
    """
    first, doublings = dcgan_start(size)
    if start is not None and whole_number("start", start) != first:
        if (first, start) != (7, 4):
            raise ValueError(
                f"start is {start} for images of {size} px; {'4 or 7' if first == 7 else first} is right"
            )
        return [4, *(first * 2**i for i in range(doublings + 1))]
    return [first * 2**i for i in range(doublings + 1)]


class DCGANGenerator(Generator):
    """Convolutional generator, (N, latent_dim) -> (N, channels, size, size) in [-1, 1].

    A 4x4 (or 7x7) map of `width * 2**(doublings - 1)` channels is doubled until it is an image; each doubling
    halves the channels, so that the last hidden map has `width` of them. The options are the file's.
    """

    def __init__(
        self,
        size: int,
        channels: int,
        latent_dim: int,
        width: int,
        *,
        norm: str = "batch",
        activation: str = "relu",
        upsampling: str = "transposed",
        output: str = "tanh",
        init: str = "dcgan",
        start: int | None = None,
    ) -> None:
        super().__init__(size, channels, latent_dim, width)
        start, *later = sides(size, start)
        norms = pick("generator_norm", GENERATOR_NORMS, norm)
        act = pick("generator_activation", ACTIVATIONS, activation)
        up = pick("upsampling", UPSAMPLINGS, upsampling)
        wide = width * 2 ** (len(later) - 1)
        # No bias before a batch norm: the norm would subtract it again.
        bias = norm == "none"
        layers: list[nn.Module] = [
            nn.Linear(latent_dim, wide * start * start, bias=bias),
            nn.Unflatten(1, (int(wide), start, start)),
            *norms(wide),
            act(),
        ]
        for side in later[:-1]:
            layers += [*up(wide, wide // 2, bias, side % 2 == 1), *norms(wide // 2), act()]
            wide //= 2
        self.net = nn.Sequential(*layers, *up(wide, channels, True, False), pick("output", OUTPUTS, output)())
        self.apply(pick("init", INITS, init))


class DCGANDiscriminator(Discriminator):
    """Convolutional discriminator, (N, channels, size, size) -> logits (N,). Arguments as `dcgan_encoder`'s."""

    def __init__(self, size: int, channels: int, width: int, **options: Any) -> None:
        super().__init__(size, channels, width)
        self.net = dcgan_encoder(size, channels, width, 1, **options)


def dcgan_encoder(
    size: int,
    channels: int,
    width: int,
    outputs: int,
    *,
    norm: str = "none",
    blocks: str = "plain",
    dropout: float = 0.0,
    pooling: bool = False,
    init: str = "dcgan",
    start: int | None = None,
    head: str = "linear",
    minibatch_std: int = 0,
) -> nn.Sequential:
    """The generator's mirror, (N, channels, size, size) -> (N, outputs).

    Each block halves the side and doubles the channels, from `width`. The first, which reads pixels, is always
    plain and has no batch norm.
    """
    start, *later = sides(size, start)
    block = pick("blocks", BLOCKS, blocks)
    pick("norm", NORMS, norm)
    dropout, pooling = real_number("dropout", dropout, 0, below=1), true_or_false("pooling", pooling)
    halve = partial(halved, pooling=pooling, batch_norm=norm == "batch")

    layers = plain(channels, width, partial(halved, pooling=pooling, batch_norm=False))
    for side in later[-2::-1]:
        layers += [*dropped(dropout), *block(width, 2 * width, partial(halve, odd=side % 2 == 1))]
        width *= 2
    ends = pick("head", HEADS, head)
    compared = [MinibatchStd(minibatch_std)] if whole_number("minibatch_std", minibatch_std, 0) else []
    layers += [*dropped(dropout), *compared, nn.Flatten()]
    layers += ends((width + len(compared)) * start * start, outputs)
    net = nn.Sequential(*layers).apply(pick("init", INITS, init))
    return net.apply(add_spectral_norm) if norm == "spectral" else net


def dropped(share: float) -> list[nn.Module]:
    return [nn.Dropout(share)] if share > 0 else []


def halved(before: int, after: int, *, pooling: bool, batch_norm: bool, odd: bool = False) -> list[nn.Module]:
    """Half the side, `after` channels: a strided convolution, or a plain one and a max pool. With its norm.

    odd: of an odd side half a pixel more, by a filter of 3.
    """
    if pooling:
        found: list[nn.Module] = [
            nn.Conv2d(before, after, 3, padding=1, bias=not batch_norm),
            nn.MaxPool2d(2, ceil_mode=odd),
        ]
    else:
        found = [nn.Conv2d(before, after, 4 - odd, stride=2, padding=1, bias=not batch_norm)]
    return found + [nn.BatchNorm2d(after)] * batch_norm


def plain(before: int, after: int, halve: Halve) -> list[nn.Module]:
    """The published block: halve, and a leaky ReLU."""
    return [*halve(before, after), nn.LeakyReLU(LEAK)]


def residual(before: int, after: int, halve: Halve) -> list[nn.Module]:
    """The plain block, to which its input is added, averaged down and brought to as many channels.

    The skip's 1x1 convolution costs a sixteenth of the block's own.
    """
    skip = nn.Sequential(nn.AvgPool2d(2, ceil_mode=True), nn.Conv2d(before, after, 1, bias=False))
    return [Residual(nn.Sequential(*plain(before, after, halve)), skip)]


def dense(before: int, after: int, halve: Halve) -> list[nn.Module]:
    """The plain block, which gets its input, averaged down, as part of its output.

    The output has as many channels as a plain block's, so that the block itself makes fewer, at half the cost.
    """
    return [Dense(nn.Sequential(*plain(before, after - before, halve)), nn.AvgPool2d(2, ceil_mode=True))]


def transposed(before: int, after: int, bias: bool, odd: bool) -> list[nn.Module]:
    """Twice the side; where that is to be odd, one less, by a filter of 3."""
    return [nn.ConvTranspose2d(before, after, 4 - odd, stride=2, padding=1, bias=bias)]


def nearest(before: int, after: int, bias: bool, odd: bool) -> list[nn.Module]:
    """Twice the side; where that is to be odd, one less, cut off at the far edges."""
    cut: list[nn.Module] = [nn.ZeroPad2d((0, -1, 0, -1))] if odd else []
    return [nn.Upsample(scale_factor=2), *cut, nn.Conv2d(before, after, 3, padding=1, bias=bias)]


def linear_head(numbers: int, outputs: int) -> list[nn.Module]:
    return [nn.Linear(numbers, outputs)]


def hidden_head(numbers: int, outputs: int) -> list[nn.Module]:
    return [nn.Linear(numbers, HIDDEN), nn.LeakyReLU(LEAK), nn.Linear(HIDDEN, outputs)]


def dcgan_init(module: nn.Module) -> None:
    """DCGAN's start: weights from N(0, 0.02), norm scales from N(1, 0.02), biases 0. For `Module.apply`."""
    check_module("module", module)
    if isinstance(module, (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)):
        nn.init.normal_(module.weight, 0.0, 0.02)
        if module.bias is not None:
            nn.init.zeros_(module.bias)
    elif isinstance(module, nn.BatchNorm2d):
        nn.init.normal_(module.weight, 1.0, 0.02)
        nn.init.zeros_(module.bias)


GENERATOR_NORMS: dict[str, Callable[[int], list[nn.Module]]] = {
    "batch": lambda maps: [nn.BatchNorm2d(maps)],
    "none": lambda maps: [],
}
NORMS = dict.fromkeys(("none", "batch", "spectral"))
ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {"relu": nn.ReLU, "leaky": partial(nn.LeakyReLU, LEAK)}
UPSAMPLINGS = {"transposed": transposed, "nearest": nearest}
OUTPUTS: dict[str, Callable[[], nn.Module]] = {"tanh": nn.Tanh, "linear": nn.Identity, "sigmoid": nn.Sigmoid}
HEADS = {"linear": linear_head, "hidden": hidden_head}
BLOCKS = {"plain": plain, "residual": residual, "dense": dense}
INITS: dict[str, Callable[[nn.Module], None]] = {"dcgan": dcgan_init, "default": lambda module: None}

# The option's name in `GAN.build` -> its name in the generator's class. D's have the same names in both.
GENERATOR_OPTIONS = {
    "generator_norm": "norm",
    "generator_activation": "activation",
    "upsampling": "upsampling",
    "output": "output",
    "init": "init",
    "start": "start",
}
DISCRIMINATOR_OPTIONS = ("norm", "blocks", "dropout", "pooling", "init", "start", "head", "minibatch_std")


def split_options(network: str, options: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Options of `GAN.build` as keywords of the generator's class and of the discriminator's."""
    refuse_options(network, options, {*GENERATOR_OPTIONS, *DISCRIMINATOR_OPTIONS})
    for_g = {inner: options[name] for name, inner in GENERATOR_OPTIONS.items() if name in options}
    return for_g, {name: options[name] for name in DISCRIMINATOR_OPTIONS if name in options}


def build_dcgan(
    size: int, channels: int, latent_dim: int, width: int, **options: Any
) -> tuple[nn.Module, nn.Module]:
    """A DCGAN generator, and a discriminator without batch norm. Options as at the file's head."""
    for_g, for_d = split_options("dcgan", options)
    generator = DCGANGenerator(size, channels, latent_dim, width, **for_g)
    return generator, DCGANDiscriminator(size, channels, width, **for_d)


def build_conv(
    size: int, channels: int, latent_dim: int, width: int, **options: Any
) -> tuple[nn.Module, nn.Module]:
    """A DCGAN whose D sees the whole image: from maps of 4x4, with a hidden layer at D's end."""
    refuse_options("conv", options, {*GENERATOR_OPTIONS, *DISCRIMINATOR_OPTIONS})
    start = 7 if size in (56, 112, 224) else 4  # what 4 does not double into, but for 28
    return build_dcgan(size, channels, latent_dim, width, **{"start": start, "head": "hidden"} | options)


def build_dcgan_2016(
    size: int, channels: int, latent_dim: int, width: int, **options: Any
) -> tuple[nn.Module, nn.Module]:
    """A DCGAN as published: batch norm in D too, unless an option says otherwise."""
    for_g, for_d = split_options("dcgan_2016", {"norm": "batch"} | options)
    # D is drawn first: a seed must go on giving the weights that it gave when chapter 3 was measured
    discriminator = DCGANDiscriminator(size, channels, width, **for_d)
    return DCGANGenerator(size, channels, latent_dim, width, **for_g), discriminator
