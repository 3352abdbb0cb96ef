"""Where a module lives and in which mode it runs. A leaf but for `errors`, so everything may import it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

import torch
from torch import nn

from .errors import shown

M = TypeVar("M", bound=nn.Module)


def default_device() -> torch.device:
    """The GPU if there is one, else the CPU."""
    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def pick_device(device: torch.device | str | None = None) -> torch.device:
    """The device named, or `default_device`; ValueError for one that there is not."""
    if device is None:
        return default_device()
    try:
        found = torch.device(device)
        torch.empty(0, device=found)
    except Exception as error:  # torch has one for each kind of device
        raise ValueError(
            f"device is {shown(device)}, which torch does not find here; 'cpu' always is, and 'cuda' with a GPU"
        ) from error
    if found.type == "meta":
        raise ValueError("device is 'meta', which holds no numbers; 'cpu' or 'cuda' is right")
    return found


def device_of(module: nn.Module) -> torch.device:
    """The device that a module's parameters live on; the CPU for one without."""
    return next((p.device for p in module.parameters()), torch.device("cpu"))


@contextmanager
def evaluating(module: nn.Module) -> Iterator[None]:
    """Inside, `module` is in eval mode; afterwards every part of it is in the mode it was in."""
    modes = [(part, part.training) for part in module.modules()]
    module.eval()
    try:
        yield
    finally:
        for part, mode in modes:
            part.training = mode


def training_mode(module: M) -> M:
    """`module` in train mode, except for whatever is frozen whole: its batch norm keeps its statistics, its
    spectral norm its estimate, so that frozen means unchanged.
    """
    module.train()
    for part in module.modules():
        parameters = list(part.parameters())
        if parameters and not any(p.requires_grad for p in parameters):
            part.eval()
    return module
