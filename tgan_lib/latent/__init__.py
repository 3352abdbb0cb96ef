"""Moving about in the latent space, directions in it, and the way back from an image."""

from __future__ import annotations

from .directions import (
    attribute_directions,
    attributes,
    closed_form_directions,
    effects,
    first_linear,
    lerp,
    pca_directions,
    slerp,
    truncate,
)
from .inversion import invert
from .portraits import portrait_directions, portrait_scores

__all__ = [
    "attribute_directions",
    "attributes",
    "closed_form_directions",
    "effects",
    "first_linear",
    "invert",
    "lerp",
    "pca_directions",
    "portrait_directions",
    "portrait_scores",
    "slerp",
    "truncate",
]
