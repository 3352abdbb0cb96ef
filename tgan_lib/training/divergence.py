"""Numbers that are numbers no longer: how a run notices, what it says, and how one goes on from before it.

The losses of a step are computed with the weights from before its update, so that finite losses say nothing of
what the update left behind. Whoever is about to measure a GAN, to draw from it or to save it asks `spoilt` first.

After it, the same call with a lower learning rate (or, after fp16, with another precision) goes on from the last good
checkpoint: a note in the run's folder says that it diverged, and while it is there these two may change.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ..device import evaluating
from ..gan import GAN
from .settings import Settings

NOTE = "diverged.json"
PROBES = 8  # images


def first_not_finite(networks: Mapping[str, Mapping[str, Tensor]]) -> str | None:
    """The name of the first weight or buffer that holds an infinity or no number at all; None if all are finite.

    networks: name -> state_dict. One number per tensor is computed where the tensors are, then read back at once.
    """
    names = [f"{network}.{name}" for network, state in networks.items() for name in state]
    tensors = [tensor for state in networks.values() for tensor in state.values()]
    if not tensors:
        return None
    finite = torch.stack([torch.isfinite(tensor).all() for tensor in tensors]).tolist()
    return next((name for name, good in zip(names, finite, strict=True) if not good), None)


@torch.no_grad()
def spoilt(gan: GAN, seed: int) -> str | None:
    """What is no longer finite: a weight, by name, or what the networks make of a few latents. None if all is well.

    Finite weights may still be too large for numbers to come out. Modes and random state are left as they were.
    """
    if name := first_not_finite({part: module.state_dict() for part, module in gan.modules().items()}):
        return name
    z = gan.latents(PROBES, seed)
    with torch.random.fork_rng(devices=[gan.device] if gan.device.type == "cuda" else []):
        for name, network in {
            "the generator's images": gan.generator,
            "the averaged generator's images": gan.ema,
        }.items():
            with evaluating(network):
                images = network(z)
            if not torch.isfinite(images).all():
                return name
        with evaluating(gan.discriminator):
            return None if torch.isfinite(gan.discriminator(images)).all() else "the discriminator's logits"


def diverged(what: str, step: int, settings: Settings, folder: Path | None, saved: int) -> FloatingPointError:
    """The error that says so, and what to do. saved: the step of the last good checkpoint, 0 if there is none."""
    rates = " and ".join(f"{rate:g}" for rate in sorted(set(settings.learning_rates)))
    remedy = f"a lower learning rate (it is {rates}) is the first thing to try"
    if settings.precision == "fp16":
        remedy += ', precision="fp32" the second'
    if folder is None:
        way = "with a GAN built anew, since this one is spoilt"
    elif saved == 0:
        way = f"with a GAN built anew, since nothing had been saved in {folder} yet"
    else:
        way = f"and the same call with it goes on from the last good checkpoint, of step {saved}, in {folder}"
    return FloatingPointError(f"{what} stopped being a finite number at step {step}; {remedy}, {way}")


def remember(folder: Path, step: int) -> None:
    """Leave a note that the run in `folder` diverged. A disk that refuses is no news beside that."""
    with suppress(OSError):
        (folder / NOTE).write_text(json.dumps({"step": step}) + "\n")


def forget(folder: Path) -> None:
    """Take the note away: the run has been saved since."""
    with suppress(OSError):
        (folder / NOTE).unlink(missing_ok=True)


def follow_advice(state: dict[str, Any], settings: Settings, folder: Path) -> tuple[dict[str, Any], str]:
    """A checkpoint's `state` with the lower learning rates or the wider precision that were asked for after a NaN.

    Given back as it is, with an empty sentence, where nothing of this was asked for or the run had not diverged; it
    is then for `load_state_dict` to refuse what differs.
    """
    now, saved = settings.as_dict(), state["settings"]
    old, new = saved.get("learning_rates"), now["learning_rates"]
    changes: dict[str, Any] = {}
    if old != new and isinstance(old, list) and all(b <= a for a, b in zip(old, new, strict=True)):
        changes["learning_rates"] = new
    if saved.get("precision") == "fp16" != now["precision"]:
        changes["precision"] = now["precision"]
    if not changes or not (folder / NOTE).exists():
        return state, ""
    words = " and ".join(f"{name} {value} (it was {saved[name]})" for name, value in changes.items())
    return state | {"settings": saved | changes}, f"with {words}, since it had diverged"
