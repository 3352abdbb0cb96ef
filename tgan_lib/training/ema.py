"""The running average of a generator's weights, which is what one samples from (Karras et al. 2018, "Progressive
Growing of GANs for Improved Quality, Stability, and Variation")."""

from __future__ import annotations

import torch
from torch import nn


def ema_decay(half_life: float, images_seen: int, batch_size: int) -> float:
    """How much of the old average one step keeps, so that a weight's share halves every `half_life` images.

    Early on the half-life is a twentieth of the images seen, so that the average does not remember the
    starting weights (the ramp of Karras et al. 2020, "Training GANs with Limited Data", appendix).
    """
    half_life = min(half_life, 0.05 * images_seen)
    return 0.0 if half_life <= 0 else 0.5 ** (batch_size / half_life)


@torch.no_grad()
def update_ema(ema: nn.Module, generator: nn.Module, decay: float) -> None:
    """ema = decay ema + (1 - decay) generator, in place. Buffers (batch norm's statistics) are copied."""
    torch._foreach_lerp_(list(ema.parameters()), list(generator.parameters()), 1 - decay)
    for old, new in zip(ema.buffers(), generator.buffers(), strict=True):
        old.copy_(new)
