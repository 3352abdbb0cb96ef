"""What decides what a run computes, in plain values, and which parts of a network it may change.

Every number that `train` takes is checked here: what decides the result in `Settings`, for how long and how often
to look in `Schedule`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import torch
from torch import nn

from ..errors import check_kind, one_of, real_number, seed_number, shown, true_or_false, whole_number
from ..losses import LOSSES, Loss
from ..penalties import PENALTIES

PRECISIONS = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}
PENALTY_AT = ("augmented", "before")  # the augmentation
MOST = 1_000_000  # images in a batch; beyond it a size is a slip of the pen


@dataclass(frozen=True)
class Settings:
    """Everything that decides what a run computes, as plain values; a run resumes only under the same ones.

    ValueError, in one sentence, for a value that could not train. `train` says what each is.
    """

    loss: str | Loss = "non_saturating"
    penalties: Mapping[str, float] = field(default_factory=dict)
    penalty_every: int = 1
    penalty_at: str = "augmented"
    clip: float | None = None
    d_steps: int = 1
    batch_size: int = 64
    learning_rates: tuple[float, float] = (2e-4, 2e-4)
    rate_decay: tuple[int, int] | None = None
    betas: tuple[float, float] = (0.5, 0.999)
    ema_half_life: float = 5000.0
    mirror: bool = False
    precision: str = "fp32"
    seed: int = 0

    def __post_init__(self) -> None:
        one_of("place of a penalty (penalty_at)", self.penalty_at, PENALTY_AT)
        one_of("precision", self.precision, PRECISIONS)
        self.rule()
        checked: dict[str, Any] = {
            "penalties": weights(self.penalties),
            "penalty_every": whole_number("penalty_every", self.penalty_every),
            "clip": None if self.clip is None else real_number("clip", self.clip, above=0),
            "d_steps": whole_number("d_steps", self.d_steps, 1, 1000),
            "batch_size": whole_number("batch_size", self.batch_size, 1, MOST),
            "learning_rates": rates(self.learning_rates),
            "rate_decay": None if self.rate_decay is None else span(self.rate_decay),
            "betas": betas(self.betas),
            "ema_half_life": real_number("ema_half_life", self.ema_half_life, 0),
            "mirror": true_or_false("mirror", self.mirror),
            "seed": seed_number(self.seed),
        }
        for name, value in checked.items():
            object.__setattr__(self, name, value)  # plain from here on: numbers of NumPy would not load again

    def rule(self) -> Loss:
        """The loss itself, by name or as it was given; ValueError for an unknown name, or one that is taken."""
        if not isinstance(self.loss, Loss):
            check_kind("loss", self.loss, str, "a name in losses.LOSSES, or a losses.Loss,")
            return LOSSES[one_of("loss", self.loss, LOSSES)]
        if LOSSES.get(self.loss.name, self.loss) != self.loss:
            raise ValueError(
                f"a loss named {self.loss.name!r} is the library's own and another one; give yours another name"
            )
        return self.loss

    def rates_at(self, step: int) -> tuple[float, float]:
        """The learning rates (G's, D's) of the step that follows `step` steps."""
        g, d = self.learning_rates
        if self.rate_decay is None:
            return g, d
        first, last = self.rate_decay
        share = min(max((last - step) / (last - first), 0.0), 1.0)
        return share * g, share * d

    def as_dict(self) -> dict[str, Any]:
        """As a checkpoint gives it back: lists for tuples, a loss by its name (one's own by its functions' too)."""
        loss = self.rule()
        ours = LOSSES.get(loss.name) == loss
        one_s_own = [loss.name, qualified(loss.discriminator), qualified(loss.generator)]
        named = {f.name: getattr(self, f.name) for f in fields(self)} | {
            "loss": loss.name if ours else one_s_own
        }
        return {k: list(v) if isinstance(v, tuple) else v for k, v in named.items()}


@dataclass(frozen=True)
class Schedule:
    """For how long a run goes on, and how often it looks. A period of None means at the end alone, but for samples
    and averages, where it means never. ValueError, in one sentence, for a value that has no meaning."""

    steps: int = 1000
    seconds: float | None = None
    target: float | None = None
    metric_every: int | None = 500
    samples_every: int | None = None
    averages_every: int | None = None
    log_every: int | None = 50
    save_every: int | None = 500

    def __post_init__(self) -> None:
        checked: dict[str, Any] = {"steps": whole_number("steps", self.steps, 0)}
        if self.seconds is not None:
            checked["seconds"] = real_number("seconds", self.seconds, 0)
        if self.target is not None:
            checked["target"] = real_number("target", self.target)
        for name, otherwise in PERIODS.items():
            value = getattr(self, name)
            if value is not None:
                try:
                    checked[name] = whole_number(name, value)
                except ValueError as error:
                    raise ValueError(f"{error}, and None for {otherwise}") from None
        for name, value in checked.items():
            object.__setattr__(self, name, value)

    def due(self, name: str, step: int) -> bool:
        """Whether what has the period `name` is due at `step`."""
        period = getattr(self, name)
        return period is not None and step % period == 0


PERIODS = {
    "metric_every": "a measurement at the end alone",
    "samples_every": "no samples",
    "averages_every": "no averages",
    "log_every": "a record at the end alone",
    "save_every": "a checkpoint at the end alone",
}


def qualified(function: Any) -> str:
    """A function's name with its module; an object's class."""
    return f"{function.__module__}.{getattr(function, '__qualname__', type(function).__qualname__)}"


def weights(penalties: Any) -> dict[str, float]:
    """Penalties' weights by name, plain; ValueError or TypeError for other than known names and numbers from 0."""
    check_kind("penalties", penalties, Mapping, "a dictionary of weights by name, as {'r1': 0.1},")
    return {
        one_of("penalty", name, PENALTIES): real_number(f"the weight of {name}", weight, 0)
        for name, weight in penalties.items()
    }


def pair(name: str, value: Any, right: str) -> tuple[Any, Any]:
    """The two values of a tuple or list."""
    if not isinstance(value, (tuple, list)) or len(value) != 2:
        raise ValueError(f"{name} is {shown(value)}; {right} is right")
    return value[0], value[1]


def rates(value: Any) -> tuple[float, float]:
    """Learning rates (G's, D's). One may be 0; where both are, nothing would train."""
    g, d = pair("learning_rate", value, "one number, or a pair (G's, D's),")
    found = real_number("G's learning_rate", g, 0), real_number("D's learning_rate", d, 0)
    if not any(found):
        raise ValueError(
            "learning_rate is 0, so nothing would train; a number above 0, such as 2e-4, is right"
        )
    return found


def span(value: Any) -> tuple[int, int]:
    """Two steps, the second after the first."""
    first, last = pair(
        "rate_decay", value, "a pair of steps (where the rates begin to fall, where they are 0)"
    )
    found = (
        whole_number("the first step of rate_decay", first, 0),
        whole_number("the last step of rate_decay", last),
    )
    if found[0] >= found[1]:
        raise ValueError(
            f"rate_decay is {shown(value)}; a pair of steps, the second after the first, is right"
        )
    return found


def betas(value: Any) -> tuple[float, float]:
    """Adam's two betas, each from 0 up to but not including 1."""
    found = tuple(
        real_number("a beta of Adam's", b, 0) for b in pair("betas", value, "a pair, as in (0.5, 0.999),")
    )
    for beta in found:
        if beta >= 1:
            raise ValueError(
                f"betas is {shown(value)}; two numbers from 0 up to but not including 1 are right"
            )
    return found[0], found[1]


def pick_precision(precision: str, device: torch.device) -> str:
    """What "auto" means here: fp32 on the CPU, bf16 on Ampere and later, fp16 on older GPUs.

    A T4 says that it can do bf16; it emulates it, slowly, so we ask about the hardware alone.
    """
    if one_of("precision", precision, [*PRECISIONS, "auto"]) != "auto":
        return precision
    if device.type != "cuda":
        return "fp32"
    return "bf16" if torch.cuda.is_bf16_supported(including_emulation=False) else "fp16"


def trained(network: nn.Module, name: str) -> list[nn.Parameter]:
    """The parameters an optimiser is given. ValueError when all are frozen."""
    found = [p for p in network.parameters() if p.requires_grad]
    if not found:
        raise ValueError(f"every parameter of the {name} is frozen, so there is nothing to train in it")
    return found
