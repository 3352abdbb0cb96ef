"""Inception's features are torch-fidelity's, and what is said where its weights cannot be had."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from tgan_lib.data import DownloadError, load
from tgan_lib.features import extract
from tgan_lib.metrics import Distance, inception


def test_without_inceptions_weights_one_sentence_says_how_to_go_on(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def blocked(*args: object, **kwargs: object) -> None:
        raise DownloadError("weights.pth could not be downloaded: github.com could not be reached")

    monkeypatch.setattr(inception, "fetch", blocked)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    with pytest.raises(RuntimeError, match=r'github.com could not be reached.*features="mnist-v1"'):
        Distance(load("glyphs:digits", size=28, limit=4, device="cpu"), features="inception-v3-compat")


def test_inception_gives_torch_fidelitys_features(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """With random weights under the real names: what is tested is the way into the network and out of it."""
    from torch_fidelity.feature_extractor_inceptionv3 import FeatureExtractorInceptionV3

    with monkeypatch.context() as patch, torch.random.fork_rng():
        torch.manual_seed(0)
        patch.setattr(torch, "load", lambda *args, **kwargs: {})
        patch.setattr(FeatureExtractorInceptionV3, "load_state_dict", lambda self, state: None)
        names = ["2048", "logits"]
        theirs = FeatureExtractorInceptionV3("theirs", names, feature_extractor_weights_path="none").eval()
        for module in theirs.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)
    weights = tmp_path / "checkpoints" / inception.URL.rpartition("/")[2]
    weights.parent.mkdir()
    torch.save(theirs.state_dict(), weights)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))  # where it is found, and not fetched
    inception._load.cache_clear()
    try:
        net = inception.load_inception("cpu")
    finally:
        inception._load.cache_clear()
    assert not any(module.training for module in net.modules())
    assert not any(parameter.requires_grad for parameter in net.parameters())
    images = load("glyphs:shapes", size=32, channels=3, limit=2, device="cpu").data
    features, logits = extract(net, images)
    expected = theirs(images)
    assert features.std(0).max() > 1e-3  # the images can be told apart
    torch.testing.assert_close(features, expected[0])
    torch.testing.assert_close(logits, expected[1])
    assert (features.shape[1], logits.shape[1]) == (net.n_features, net.n_classes)
    grey = images.float().mean(1, keepdim=True).to(torch.uint8)
    torch.testing.assert_close(extract(net, grey[:1])[0], theirs(grey[:1].expand(-1, 3, -1, -1))[0])
    beyond = 3 * (images[:1] / 127.5 - 1)  # what a generator without a tanh may give is cut, as in a file
    torch.testing.assert_close(extract(net, beyond, floats="any")[0], extract(net, beyond.clamp(-1, 1))[0])
