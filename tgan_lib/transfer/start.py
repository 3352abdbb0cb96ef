"""Where a target's weights start: a new GAN from another, whole or in what fits.

target = start_from(source)       Wang et al. (2018), "Transferring GANs: generating images from limited data"
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from ..errors import check_kind, true_or_false
from ..gan import GAN
from ..networks import layers
from .adapters import adapters, record, sequential_net

Layers = list[list[nn.Module]]


def start_from(
    source: GAN,
    *,
    generator: bool = True,
    discriminator: bool = True,
    average: bool = True,
    seed: int = 0,
    device: torch.device | str | None = None,
    **changes: Any,
) -> GAN:
    """A new GAN whose G and D start as `source`'s; a part that is not taken starts fresh from `seed`.

    average: G starts as the source's running average, else as its raw G. device: the source's by default.
    changes: what is to be built otherwise than the source, as in `GAN.build`: size, channels, width, ...

    With changes, layers are paired from one end, the latent's, the logit's or the pixels', whichever takes more, and
    each is taken if all of it fits, else left fresh. A DCGAN grown from 32 to 64 px at half the width
    (width=source.config.width // 2) keeps all but its two layers nearest the pixels; at the same width it keeps the
    layers nearest the pixels. Between grey and colour, those that read or paint pixels are averaged or repeated.

    `methods[0]` of the new GAN says what was done, with the numbers "copied" (weights and norms' statistics) "of"
    those there are. ValueError when nothing fits, or when the source holds adapters (`merge_low_rank` folds them).
    """
    check_kind("source", source, GAN, "a GAN")
    generator, discriminator = (
        true_or_false("generator", generator),
        true_or_false("discriminator", discriminator),
    )
    average = true_or_false("average", average)
    for name, value in changes.items():
        if value is None:
            raise ValueError(
                f"{name} is None; a value for `GAN.build` is right, or leave it out to keep the source's"
            )
    gan = GAN.build(
        **(source.config.as_dict() | changes), seed=seed, device=source.device if device is None else device
    )
    copied = 0
    if generator:
        copied += take(source.ema if average else source.generator, gan.generator, is_generator=True)
    if discriminator:
        copied += take(source.discriminator, gan.discriminator, is_generator=False)
    total = sum(t.numel() for m in (gan.generator, gan.discriminator) for t in m.state_dict().values())
    parts = {"generator": generator, "discriminator": discriminator, "average": average}
    return record(gan, "start_from", **parts, copied=copied, of=total)


@torch.no_grad()
def take(source: nn.Module, target: nn.Module, is_generator: bool) -> int:
    """Copy what fits of one network into another; returns how many numbers were set."""
    if found := adapters(source):
        raise ValueError(
            f"the source's {type(source).__name__} holds {found}; start from one without, or merge_low_rank first"
        )
    theirs, ours = source.state_dict(), target.state_dict()
    if {k: t.shape for k, t in theirs.items()} == {k: t.shape for k, t in ours.items()}:
        target.load_state_dict(theirs)
        return sum(t.numel() for t in ours.values())
    sequential_net(source), sequential_net(target)
    ways = [matched(layers(source)[::step], layers(target)[::step], is_generator) for step in (1, -1)]
    pairs = max(ways, key=lambda found: sum(t.numel() for t, _ in found))
    if not pairs:
        raise ValueError(
            f"no layer of the source's {type(source).__name__} fits the new one; change less, or leave it fresh "
            f"with {'generator' if is_generator else 'discriminator'}=False"
        )
    for tensor, value in pairs:
        tensor.copy_(value)
    return sum(t.numel() for t, _ in pairs)


def matched(source: Layers, target: Layers, is_generator: bool) -> list[tuple[Tensor, Tensor]]:
    """(tensor to set, its new value), for each pair of layers that fit as a whole: a norm without its map is no use."""
    found: list[tuple[Tensor, Tensor]] = []
    for theirs, ours in zip(source, target, strict=False):
        old, new = nn.Sequential(*theirs).state_dict(), nn.Sequential(*ours).state_dict()
        if old.keys() == new.keys():
            pairs = [(new[name], fitted(old[name], new[name].shape, is_generator)) for name in new]
            found += (
                [(t, v) for t, v in pairs if v is not None] if all(v is not None for _, v in pairs) else []
            )
    return found


def fitted(tensor: Tensor, shape: torch.Size, is_generator: bool) -> Tensor | None:
    """`tensor` in `shape`: as it is, or between grey and colour, or None.

    G then paints its grey in all colours, or the mean of its colours; D judges a grey image as it did before.
    """
    if tensor.shape == shape:
        return tensor
    odd = [d for d in range(min(tensor.ndim, len(shape))) if tensor.shape[d] != shape[d]]
    if tensor.ndim != len(shape) or len(odd) > 1 or {tensor.shape[odd[0]], shape[odd[0]]} != {1, 3}:
        return None
    total = tensor.sum(odd[0], keepdim=True)
    return (total / (tensor.shape if is_generator else shape)[odd[0]]).expand(shape)
