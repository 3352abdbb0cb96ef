"""Images: by name, from a folder or drawn, kept as bytes on the device, and chosen in batches and few-shot sets."""

from __future__ import annotations

from .attributes import Attributes
from .datasets import DATASETS
from .download import DownloadError
from .images import Images
from .loading import load
from .pixels import resize, to_channels, to_float, to_uint8
from .portraits import paint
from .sampling import Sampler
from .subsets import few_shot, split

__all__ = [
    "DATASETS",
    "Attributes",
    "DownloadError",
    "Images",
    "Sampler",
    "few_shot",
    "load",
    "paint",
    "resize",
    "split",
    "to_channels",
    "to_float",
    "to_uint8",
]
