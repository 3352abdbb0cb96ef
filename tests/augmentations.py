"""What the tests of augmentations share: one of each, noise images, and draws by hand."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from tgan_lib.augment import ADA, AUGMENTATIONS, Augment, DiffAugment
from tgan_lib.augment.ada import TRANSFORMS

EVERY_AUGMENT: dict[str, Callable[[], Augment]] = {
    **{f"diff {name}": lambda name=name: DiffAugment(name) for name in AUGMENTATIONS},
    **{f"ada {name}": lambda name=name: ADA(name, p=0.6) for name in ("blit", "geom", "color")},
    "diff all": DiffAugment,
    "ada all": lambda: ADA(p=0.6),
}


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def noise(*shape: int, seed: int = 0, dtype: torch.dtype = torch.float32) -> Tensor:
    return 2 * torch.rand(*shape, generator=seeded(seed), dtype=dtype) - 1


def nothing(n: int) -> dict[str, Tensor]:
    """Draws of 0 for everything, in float64: `n` images that are left alone."""
    return {
        name: torch.zeros(n, 2 if name in ("xint", "rotate", "xfrac") else 1).double() for name in TRANSFORMS
    }


def chosen(**strengths: list[float]) -> dict[str, Tensor]:
    """Draws for one image, all 0 but those given."""
    return nothing(1) | {name: torch.tensor([s], dtype=torch.float64) for name, s in strengths.items()}
