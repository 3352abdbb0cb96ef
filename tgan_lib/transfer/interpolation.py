"""Blending the weights of a source and a target: generators between two domains, made without training.

A generator that was trained on from another (the target from the source) stays so close to it in weight space
that the points on the line between the two,

    w(t) = (1 - t) w_source + t w_target,

are generators too (Wang et al. 2019, "Deep Network Interpolation for Continuous Imagery Effect Transition", CVPR).
With t set for each layer, the layers that lay out a picture can come from one model and those that paint it from the
other: Pinkney and Adler (2020), "Resolution Dependent GAN Interpolation for Controllable Image Synthesis Between
Domains", who swap layers, t = 0 or 1, at one resolution.

    half_way = blend(source, target, 0.5)
    swapped = blend(source, target, 1.0, layers=slice(0, 2))  # the first two layers from the target

It works for relatives only. Two models trained apart have nothing in common between their weights.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from itertools import chain

import torch
from torch import Tensor, nn

from .. import networks
from ..errors import check_kind, real_number, whole_number
from ..gan import GAN


@torch.no_grad()
def blend(source: GAN, target: GAN, t: float, layers: slice | None = None) -> GAN:
    """A new GAN whose generator is `source`'s at t = 0 and `target`'s at t = 1, exactly, and between them between.

    `layers` picks the layers that are blended, counted from z to the image as `networks.layers` counts them; the
    others stay `source`'s. All by default. The average `ema` is blended in the same way as the generator, batch
    norm's statistics as the weights, and whole numbers are the nearer model's. The discriminator, the directions
    and `methods` are copies of `source`'s; the card is empty.

    ValueError for a `t` outside [0, 1], or models that are not built alike.
    """
    check_kind("source", source, GAN, "a GAN")
    check_kind("target", target, GAN, "a GAN")
    t = real_number("t", t, 0, 1)
    check_kind("layers", layers, (slice, type(None)), "a slice such as slice(0, 2), or None for all,")
    check_alike(source, target)
    blended = copy.deepcopy(source)
    blended.card = {}
    for name in ("generator", "ema"):
        ours, theirs = getattr(blended, name), dict(tensors(getattr(target, name)))
        chosen = None if layers is None else layer_tensors(ours, layers)
        for key, tensor in tensors(ours):
            if chosen is None or id(tensor) in chosen:
                tensor.copy_(mix(tensor, theirs[key].to(tensor.device), t))
    return blended


def mix(a: Tensor, b: Tensor, t: float) -> Tensor:
    """(1 - t) a + t b, exactly `a` at t = 0 and `b` at t = 1; of whole numbers the nearer."""
    if a.is_floating_point():
        return a.lerp(b, t)
    return a if t < 0.5 else b


def tensors(module: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Every parameter and buffer by name."""
    return chain(module.named_parameters(), module.named_buffers())


def layer_tensors(module: nn.Module, chosen: slice) -> set[int]:
    """The identities of the tensors in the chosen layers of `module`; ValueError if there are no such layers."""
    every = networks.layers(module)
    for end in (chosen.start, chosen.stop, chosen.step):
        if end is not None:
            whole_number("an end of layers", end, None)
    if not every[chosen]:
        raise ValueError(f"{chosen} holds none of the generator's {len(every)} layers")
    return {id(tensor) for layer in every[chosen] for part in layer for _, tensor in tensors(part)}


def check_alike(source: GAN, target: GAN) -> None:
    """ValueError, naming the first difference, unless the two generators have the same tensors."""
    ours, theirs = source.config.as_dict(), target.config.as_dict()
    for field in sorted(ours.keys() | theirs.keys()):
        if ours.get(field) != theirs.get(field):
            raise ValueError(
                f"the source has {field} {ours.get(field)!r}, the target {theirs.get(field)!r}; "
                "only models of one architecture can be blended"
            )
    for name in ("generator", "ema"):
        a, b = ({k: v.shape for k, v in tensors(getattr(gan, name))} for gan in (source, target))
        if a != b:
            odd = sorted(key for key in a.keys() | b.keys() if a.get(key) != b.get(key))[0]
            raise ValueError(
                f"the source and the target differ in {name}.{odd}, as where one of them has adapters; "
                "only models of one architecture can be blended"
            )
