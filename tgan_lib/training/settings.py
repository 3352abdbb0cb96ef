"""What decides what a run computes, in plain values, and which parts of a network it may change."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

import torch
from torch import nn

from ..errors import unknown_name

PRECISIONS = {"fp32": None, "bf16": torch.bfloat16, "fp16": torch.float16}


@dataclass(frozen=True)
class Settings:
    """Everything that decides what a run computes, as plain values; a run resumes only under the same ones."""

    loss: str = "non_saturating"
    penalties: dict[str, float] = field(default_factory=dict)
    penalty_every: int = 1
    clip: float | None = None
    d_steps: int = 1
    batch_size: int = 64
    learning_rates: tuple[float, float] = (2e-4, 2e-4)
    betas: tuple[float, float] = (0.5, 0.999)
    ema_half_life: float = 5000.0
    mirror: bool = False
    precision: str = "fp32"
    seed: int = 0

    def as_dict(self) -> dict[str, Any]:
        """With lists for tuples, as a checkpoint gives them back."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in asdict(self).items()}


def pick_precision(precision: str, device: torch.device) -> str:
    """What "auto" means here: fp32 on the CPU, bf16 on Ampere and later, fp16 on older GPUs.

    A T4 says that it can do bf16; it emulates it, slowly, so we ask about the hardware alone.
    """
    if precision != "auto":
        if precision not in PRECISIONS:
            raise unknown_name("precision", precision, [*PRECISIONS, "auto"])
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
