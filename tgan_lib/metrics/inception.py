"""Inception's features, as torch-fidelity computes them: what published FID and KID values are measured in.

The network is the Inception-v3 of 2015 that Heusel et al. (2017) took, its weights converted by torch-fidelity
("inception-v3-compat" there). It sees photographs: 299 px, in colour, 1 008 classes of objects. Drawn glyphs and
digits are nothing it was trained on. Its weights, 96 MB, are fetched once, checked, and kept where
torch.hub and torch-fidelity look for them too.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from ..data.download import DownloadError, fetch
from ..device import pick_device
from ..features.networks import FeatureNet

NAME = "inception-v3-compat"
URL = "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/weights-inception-2015-12-05-6726825d.pth"
SHA256 = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"


class InceptionFeatures(FeatureNet):
    """Images in [-1, 1] -> 2048 features -> 1008 logits; `body` holds torch-fidelity's extractor."""

    def __init__(self, net: Any) -> None:
        super().__init__(299, 3, 2048, 1008, nn.Sequential(net))
        self.head = net.fc

    def features(self, images: Tensor) -> Tensor:
        """(N, C, H, W) in [-1, 1] -> (N, 2048). Grey becomes colour; any size is resized by the network itself.

        Pixels are rounded to bytes first, as they would be in a file. Only a few images pass at a time, for at
        299 px their maps are large.
        """
        bytes_ = ((images + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)
        return torch.cat([self.body(part.expand(-1, 3, -1, -1))[0] for part in bytes_.split(50)])


def load_inception(device: torch.device | str | None = None) -> InceptionFeatures:
    """Inception, frozen and in eval mode. RuntimeError, with how to go on, where its weights cannot be had."""
    return _load(pick_device(device))


@cache
def _load(device: torch.device) -> InceptionFeatures:
    from torch_fidelity.feature_extractor_inceptionv3 import (
        FeatureExtractorInceptionV3,
    )

    go_on = 'go on with features="mnist-v1", which is shipped, and keep its numbers in tables of their own'
    try:
        path = Path(torch.hub.get_dir()).expanduser() / "checkpoints" / URL.rpartition("/")[2]
        fetch(URL, path, sha256=SHA256)
    except (DownloadError, OSError, RuntimeError) as error:  # the last where there is no home folder
        raise RuntimeError(
            f"the feature network {NAME!r} needs weights that are not here ({error}); {go_on}"
        ) from error
    try:
        net = FeatureExtractorInceptionV3(NAME, ["2048"], feature_extractor_weights_path=str(path))
    except Exception as error:  # torch has one of its own for each kind of damage
        raise RuntimeError(
            f"{path} cannot be read as Inception's weights ({type(error).__name__}); delete it and try again, or "
            f"{go_on}"
        ) from error
    return InceptionFeatures(net).requires_grad_(False).eval().to(device)
