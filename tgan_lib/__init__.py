"""tgan_lib: GAN losses, training, transfer and latent exploration, for the book *GANs That Transfer*.

The names below are what the book's notebooks use. Those that need matplotlib or widgets are imported when first
asked for, so that `import tgan_lib` costs little more than torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

from .budget import budget, budget_sentence, current_budget
from .device import default_device
from .gan import GAN
from .losses import LOSSES
from .results import results

__version__ = "0.1.0"

# name -> (module, attribute); no attribute means the module itself
_LATER: dict[str, tuple[str, str | None]] = {
    "ADA": ("augment", "ADA"),
    "Compare": ("widgets.compare", "Compare"),
    "DiffAugment": ("augment", "DiffAugment"),
    "Distance": ("metrics", "Distance"),
    "Frames": ("widgets.frames", "Frames"),
    "Images": ("data", "Images"),
    "LatentExplorer": ("widgets.explorer", "LatentExplorer"),
    "Playground": ("widgets.playground", "Playground"),
    "adapt": ("transfer.strategies", "adapt"),
    "augment": ("augment", None),
    "check": ("exercises", "check"),
    "data": ("data", None),
    "features": ("features", None),
    "few_shot": ("data", "few_shot"),
    "glue": ("plots", "glue"),
    "grids": ("widgets.frames", "grids"),
    "latent": ("latent", None),
    "load": ("data", "load"),
    "losses": ("losses", None),
    "metrics": ("metrics", None),
    "networks": ("networks", None),
    "penalties": ("penalties", None),
    "plots": ("plots", None),
    "predict": ("widgets.predict", "predict"),
    "reveal": ("widgets.predict", "reveal"),
    "split": ("data", "split"),
    "train": ("training.train", "train"),
    "transfer": ("transfer", None),
    "zoo": ("zoo", None),
}

__all__ = ["GAN", "LOSSES", "budget", "current_budget", "default_device", "results", "setup", *sorted(_LATER)]


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module 'tgan_lib' has no attribute {name!r}")
    module, attribute = _LATER[name]
    found = import_module(f".{module}", __name__)
    return found if attribute is None else getattr(found, attribute)


def __dir__() -> list[str]:
    return sorted(__all__)


def setup() -> None:
    """What every notebook starts with: the book's figure style, and one sentence that says which budget runs."""
    from .plots import use_style

    use_style()
    print(budget_sentence())
