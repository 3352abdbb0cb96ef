"""What a term added to a loss sees, and what it must be able to do.

A term is how a transfer method (or LeCam's regulariser) joins training: it is asked for one scalar each step and
adds it, already weighted, to G's or D's loss. The loop alone steps optimisers.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from torch import Tensor

if TYPE_CHECKING:
    from ..gan import GAN


@dataclass
class Step:
    """One step's tensors. On D's side `fake` is detached; on G's side `real_logits` may be None.

    x: (B, C, H, W), the real images, on D's side as it saw them (augmented), on G's as they are; z: (B, latent_dim);
    fake: (B, C, H, W), as G made them, not augmented; logits: (B,), in float32 at least.
    """

    gan: GAN
    x: Tensor
    z: Tensor
    fake: Tensor
    real_logits: Tensor | None
    fake_logits: Tensor


class Term:
    """A scalar added to one side's loss at every step; `side` says whose."""

    side: Literal["generator", "discriminator"] = "generator"

    def __call__(self, step: Step) -> Tensor:
        """The weighted scalar, differentiable in the trained weights of its side."""
        raise NotImplementedError

    def settings(self) -> dict[str, Any]:
        """Name and numbers, as plain values: what a resumed run must have again."""
        raise NotImplementedError

    def state_dict(self) -> dict[str, Tensor]:
        """Tensors that change while training, or that cost too much to compute again."""
        return {}

    def moving(self) -> list[Tensor]:
        """Tensors that each process of several moves by its part of the batch, so that they are averaged after it."""
        return []

    def load_state_dict(self, state: dict[str, Tensor]) -> None:
        """Take up `state` again."""
