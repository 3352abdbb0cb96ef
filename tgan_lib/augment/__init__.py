"""What D sees in place of the images: augmentation, real and generated, in both steps (see the two files)."""

from __future__ import annotations

from .ada import ADA, leaks
from .diff_augment import AUGMENTATIONS, Augment, DiffAugment

__all__ = [
    "ADA",
    "AUGMENTATIONS",
    "Augment",
    "DiffAugment",
    "leaks",
]
