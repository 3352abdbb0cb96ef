"""How near samples are to real images, how much of them they cover, and what has been learnt by heart."""

from __future__ import annotations

from .counting import name_attributes, name_styles, shares, total_variation, vanished
from .distances import (
    Distance,
    KernelDistance,
    class_counts,
    frechet_between,
    frechet_distance,
    kernel_distance,
    merge_moments,
    moments,
    same_features,
    speckle,
)
from .memorization import (
    Memorisation,
    Overfitting,
    discriminator_overfitting,
    judge,
    mann_whitney,
    membership_auc,
    memorisation,
    nearest,
)
from .precision_recall import (
    PRDC,
    MixtureModes,
    ModeCoverage,
    mixture_modes,
    mode_coverage,
    prdc,
    squared_distances,
)

__all__ = [
    "PRDC",
    "Distance",
    "KernelDistance",
    "Memorisation",
    "MixtureModes",
    "ModeCoverage",
    "Overfitting",
    "class_counts",
    "discriminator_overfitting",
    "frechet_between",
    "frechet_distance",
    "judge",
    "kernel_distance",
    "mann_whitney",
    "membership_auc",
    "memorisation",
    "merge_moments",
    "mixture_modes",
    "mode_coverage",
    "moments",
    "name_attributes",
    "name_styles",
    "nearest",
    "prdc",
    "same_features",
    "shares",
    "speckle",
    "squared_distances",
    "total_variation",
    "vanished",
]
