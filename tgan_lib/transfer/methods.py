"""What changes a GAN's networks, by the name it leaves in `gan.methods`, so that a saved GAN can be built again."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from inspect import signature
from typing import Any

from ..errors import check_kind, one_of, shown
from ..gan import GAN
from .adapters import low_rank, merge_low_rank, miner, scale_shift
from .freeze import freeze_discriminator, freeze_generator, unfreeze


def apply_methods(gan: GAN, methods: Sequence[Mapping[str, Any]]) -> GAN:
    """Do to a freshly built GAN what `methods` of another says, so that the other's weights can be loaded into it.

    Adapters are put in and layers frozen, in order. "start_from" is only noted: weights are loaded, not copied.
    ValueError or TypeError, in one sentence, for what is no method or has other settings.
    """
    check_kind("gan", gan, GAN, "a GAN")
    if not isinstance(methods, (list, tuple)):
        raise TypeError(f"methods is {shown(methods)}; a list of dictionaries, as gan.methods has, is right")
    for method in methods:
        if not isinstance(method, Mapping) or "name" not in method:
            raise ValueError(
                f"a method is {shown(method)}; a dictionary with a name, as in gan.methods, is right"
            )
        settings = dict(method)
        name = one_of("transfer method", settings.pop("name"), [*METHODS, "start_from"])
        if name == "start_from":
            gan.methods.append(dict(method))
            continue
        for setting in settings:
            one_of(f"setting of {name}", setting, list(signature(METHODS[name]).parameters)[1:])
        try:
            METHODS[name](gan, **settings)
        except TypeError as error:
            raise ValueError(f"{name} cannot be done with {shown(settings)} ({error})") from error
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
