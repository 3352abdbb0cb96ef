"""Transfer: where weights start, which of them train, what little is put in to train, and what holds them."""

from __future__ import annotations

from .adapters import low_rank, merge_low_rank, miner, scale_shift
from .freeze import freeze_discriminator, freeze_generator, trainable, unfreeze
from .interpolation import blend
from .methods import METHODS, apply_methods
from .regularizers import EWC, L2SP, CrossDomainCorrespondence, correspondence, fisher_diagonal, relations
from .start import start_from

__all__ = [
    "EWC",
    "L2SP",
    "METHODS",
    "CrossDomainCorrespondence",
    "apply_methods",
    "blend",
    "correspondence",
    "fisher_diagonal",
    "freeze_discriminator",
    "freeze_generator",
    "low_rank",
    "merge_low_rank",
    "miner",
    "relations",
    "scale_shift",
    "start_from",
    "trainable",
    "unfreeze",
]
