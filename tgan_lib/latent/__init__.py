"""Moving about in the latent space, directions in it, and the way back from an image."""

from __future__ import annotations

from .directions import (
    attribute_directions,
    attributes,
    closed_form_directions,
    first_linear,
    lerp,
    pca_directions,
    slerp,
    truncate,
)
from .inversion import invert

__all__ = [
    "attribute_directions",
    "attributes",
    "closed_form_directions",
    "first_linear",
    "invert",
    "lerp",
    "pca_directions",
    "slerp",
    "truncate",
]
