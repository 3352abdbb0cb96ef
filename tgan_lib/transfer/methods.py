"""What changes a GAN's networks, by the name it leaves in `gan.methods`, so that a saved GAN can be built again."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from ..errors import unknown_name
from ..gan import GAN
from .adapters import low_rank, merge_low_rank, miner, scale_shift
from .freeze import freeze_discriminator, freeze_generator, unfreeze


def apply_methods(gan: GAN, methods: Iterable[dict[str, Any]]) -> GAN:
    """Do to a freshly built GAN what `methods` of another says, so that the other's weights can be loaded into it.

    Adapters are put in and layers frozen, in order. "start_from" is only noted: weights are loaded, not copied.
    """
    for method in methods:
        settings = dict(method)
        name = settings.pop("name")
        if name == "start_from":
            gan.methods.append(dict(method))
        elif name in METHODS:
            METHODS[name](gan, **settings)
        else:
            raise unknown_name("transfer method", name, [*METHODS, "start_from"])
    return gan


METHODS: dict[str, Callable[..., GAN]] = {
    "freeze_discriminator": freeze_discriminator,
    "freeze_generator": freeze_generator,
    "low_rank": low_rank,
    "merge_low_rank": merge_low_rank,
    "miner": miner,
    "scale_shift": scale_shift,
    "unfreeze": unfreeze,
}
