"""In which order images come: endless shuffled batches, from a generator on the CPU that any device follows."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from ..device import pick_device
from ..errors import seed_number, shown, whole_number
from ..inputs import MOST_IMAGES


class Sampler:
    """Endless random batches of indices below `n`; an epoch is a permutation, its last partial batch dropped.

    When n < batch_size an epoch is one batch, drawn from as many permutations as it takes, so that no image
    comes up more than once oftener than another. The order depends on the seed alone, not on the device:
    permutations are made on the CPU and copied once an epoch, without waiting for the device.
    """

    def __init__(
        self, n: int, batch_size: int, seed: int = 0, device: torch.device | str | None = None
    ) -> None:
        self.n = whole_number("n", n)
        self.batch_size = whole_number("batch_size", batch_size, 1, MOST_IMAGES)
        self.device = pick_device("cpu" if device is None else device)
        self._rng = torch.Generator().manual_seed(seed_number(seed))
        self._start_epoch()

    def _start_epoch(self) -> None:
        self._rng_at_start = self._rng.get_state()
        rounds = -(-self.batch_size // self.n)
        order = torch.cat([torch.randperm(self.n, generator=self._rng) for _ in range(rounds)])
        if self.device.type == "cuda":  # from pinned memory the copy runs behind the work already queued
            order = order.pin_memory().to(self.device, non_blocking=True)
        self._order, self._position = order, 0

    def next(self) -> Tensor:
        """The next indices, int64 (batch_size,), on the device."""
        if self._position + self.batch_size > len(self._order):
            self._start_epoch()
        indices = self._order[self._position : self._position + self.batch_size]
        self._position += self.batch_size
        return indices

    def state_dict(self) -> dict[str, Any]:
        """Where we are, as tensors and ints; a sampler that loads it gives the very same batches."""
        return {
            "n": self.n,
            "batch_size": self.batch_size,
            "generator": self._rng_at_start.clone(),
            "position": self._position,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state`; ValueError when it was saved for another number of images or batch size."""
        wanted = {"n", "batch_size", "generator", "position"}
        if not isinstance(state, dict) or not wanted <= state.keys():
            raise ValueError(f"state is {shown(state)}; what state_dict() of a Sampler gives is right")
        for field in ("n", "batch_size"):
            if state[field] != getattr(self, field):
                ours = getattr(self, field)
                raise ValueError(
                    f"the saved sampler has {field} {state[field]}, this one {ours}; they must match"
                )
        self._rng.set_state(state["generator"].cpu())
        self._start_epoch()
        self._position = state["position"]
