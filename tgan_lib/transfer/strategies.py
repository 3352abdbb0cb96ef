"""From a source to a target in one call: the ways that Part III compares, all through one door.

    target, history = adapt(source, few_shot(images, 100), "freeze_d", steps=500, batch_size=16)

A way is a function of the source that gives (the GAN to train, what `train` is given for it): which weights it
starts from and which of them train are in the first, what joins a loss and what D is shown in the second. Papers are
named where the parts are: `start`, `freeze`, `adapters`, `regularizers`, `augment`.
"""

from __future__ import annotations

from collections.abc import Callable
from inspect import signature
from typing import Any

from ..augment.ada import ADA
from ..augment.diff_augment import DiffAugment
from ..data.images import Images, check_images
from ..errors import check_kind, one_of
from ..gan import GAN
from ..training.history import History
from ..training.train import train
from .adapters import low_rank, miner, scale_shift
from .freeze import freeze_discriminator
from .regularizers import EWC, L2SP, CrossDomainCorrespondence
from .start import start_from

Plan = tuple[GAN, dict[str, Any]]  # the GAN to train, and what `train` is given for it
Strategy = Callable[..., Plan]  # of the source and a seed, and of the way's own numbers by name


def scratch(source: GAN, seed: int) -> Plan:
    """A fresh GAN of the source's architecture: what every other way is held against."""
    return GAN.build(**source.config.as_dict(), seed=seed, device=source.device), {}


def fine_tune(source: GAN, seed: int) -> Plan:
    """G and D start as the source's, and all of both trains."""
    return start_from(source, seed=seed), {}


def freeze_d(source: GAN, seed: int, layers: int = 1) -> Plan:
    """Fine-tuning with the `layers` layers of D nearest the pixels frozen."""
    return freeze_discriminator(start_from(source, seed=seed), layers), {}


def only_scale_shift(source: GAN, seed: int) -> Plan:
    """Of G only a scale and a shift for each channel train."""
    return scale_shift(start_from(source, seed=seed)), {}


def only_low_rank(source: GAN, seed: int, rank: int = 4) -> Plan:
    """Of G only a change of rank `rank` to each weight trains."""
    return low_rank(start_from(source, seed=seed), rank, seed=seed), {}


def only_miner(source: GAN, seed: int) -> Plan:
    """G is frozen; a network before it learns which latents to give it."""
    return miner(start_from(source, seed=seed), seed=seed), {}


def l2sp(source: GAN, seed: int, weight: float = 0.1) -> Plan:
    """Fine-tuning with G's weights held near the source's."""
    gan = start_from(source, seed=seed)
    return gan, {"terms": [L2SP(gan, weight)]}


def ewc(source: GAN, seed: int, strength: float = 0.1, samples: int = 256) -> Plan:
    """As L2-SP, each weight held by its Fisher information, whose mean over the weights is scaled to 1.

    So scaled, `strength` means what L2SP's weight means: F = 1 everywhere would be the same term.
    """
    gan = start_from(source, seed=seed)
    return gan, {"terms": [EWC(gan, strength, samples=samples, seed=seed, relative=True)]}


def correspondence(source: GAN, seed: int, weight: float = 1000.0) -> Plan:
    """Fine-tuning in which samples keep the likeness to each other that the source's had."""
    return start_from(source, seed=seed), {"terms": [CrossDomainCorrespondence(source, weight)]}


def diff_augment(source: GAN, seed: int, policy: str = "color,translation,cutout") -> Plan:
    """Fine-tuning with all that D sees changed at random."""
    return start_from(source, seed=seed), {"augment": DiffAugment(policy)}


def ada(source: GAN, seed: int, policy: str = "blit,geom,color", images_to_one: float = 100_000) -> Plan:
    """Fine-tuning with what D sees changed with a probability that rises while D overfits."""
    return start_from(source, seed=seed), {"augment": ADA(policy, images_to_one=images_to_one)}


def freeze_d_diff_augment(
    source: GAN, seed: int, layers: int = 1, policy: str = "color,translation,cutout"
) -> Plan:
    """FreezeD and DiffAugment together."""
    return freeze_d(source, seed, layers)[0], {"augment": DiffAugment(policy)}


STRATEGIES: dict[str, Strategy] = {
    "scratch": scratch,
    "fine_tune": fine_tune,
    "freeze_d": freeze_d,
    "scale_shift": only_scale_shift,
    "low_rank": only_low_rank,
    "miner": only_miner,
    "l2sp": l2sp,
    "ewc": ewc,
    "correspondence": correspondence,
    "diff_augment": diff_augment,
    "ada": ada,
    "freeze_d_diff_augment": freeze_d_diff_augment,
}


def adapt(
    source: GAN,
    images: Images,
    way: str | Strategy = "fine_tune",
    *,
    settings: dict[str, Any] | None = None,
    seed: int = 0,
    **options: Any,
) -> tuple[GAN, History]:
    """A new GAN that was trained on `images` from `source` in one way, and its history; `source` stays.

    way: a name of `STRATEGIES`, or a function like those: of the source and a seed, and of its own numbers by name.
    settings: the way's own numbers, such as {"layers": 2} for "freeze_d". seed: of fresh weights and of training.
    options: as for `train`; a way's terms stand after those given there, and its augmentation is the one used.
    ValueError for an unknown way or setting.
    """
    check_kind("source", source, GAN, "a GAN")
    check_images(images)
    make = way if callable(way) else STRATEGIES[one_of("way of adapting", way, STRATEGIES)]
    called = way if isinstance(way, str) else getattr(way, "__name__", "this way")
    check_kind("settings", settings, (dict, type(None)), "a dictionary of the way's own numbers")
    own, known = settings or {}, list(signature(make).parameters)[2:]  # after the source and the seed
    for name in own:
        one_of(f"setting of {called}", name, known)
    taken = list(signature(train).parameters)[2:]
    for name in options:
        one_of("setting of train", name, taken)
    gan, given = make(source, seed, **own)
    if "terms" in given:
        before = options.pop("terms", ())
        check_kind("terms", before, (list, tuple), "a list of terms")
        given["terms"] = [*before, *given["terms"]]
    if "augment" in given and options.pop("augment", None) is not None:
        raise ValueError(
            f"{called} brings its own augmentation; leave augment= out, or use fine_tune with it"
        )
    return gan, train(gan, images, seed=seed, **options, **given)
