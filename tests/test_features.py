"""Feature networks, taps into any network, and the recipes that train feature networks."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from safetensors.torch import load_file
from torch import Tensor, nn

from tgan_lib import features
from tgan_lib.data import Images, glyphs, load
from tgan_lib.device import evaluating
from tgan_lib.features import DigitNet, SmallNet, extract, feature_card, load_features, tapped, taps
from tgan_lib.features.load import FOLDER
from tgan_lib.gan import GAN
from tgan_lib.zoo import recipes_features


def noise(*shape: int, seed: int = 0) -> Tensor:
    return torch.rand(*shape, generator=torch.Generator().manual_seed(seed)) * 2 - 1


def hooks_of(module: nn.Module) -> int:
    return sum(len(part._forward_hooks) for part in module.modules())


@pytest.mark.parametrize(("size", "channels"), [(9, 1), (16, 3), (28, 1), (32, 3), (64, 3)])
def test_a_small_net_of_any_size(size: int, channels: int) -> None:
    net = SmallNet(size, channels, 32, 7, width=4).eval()
    images = noise(3, channels, size, size)
    assert net.features(images).shape == (3, 32)
    assert net(images).shape == (3, 7)
    assert (net.features(images) >= 0).all(), "averages of what a ReLU lets through"
    last = tapped(net, images, [f"body.{len(net.body) - 3}"]).popitem()[1]
    assert 4 < last.shape[-1] <= 8
    torch.testing.assert_close(net.features(images), last.mean((2, 3)))


def test_the_shipped_sizes_fit_into_a_megabyte_of_fp16() -> None:
    for size, classes in ((32, 10), (64, 38)):
        numbers = sum(t.numel() for t in SmallNet(size, 3, 128, classes, 16).state_dict().values())
        assert 0.8e6 < 2 * numbers < 1e6


def test_grey_is_repeated_and_colour_averaged() -> None:
    colour_net, grey_net = SmallNet(16, 3, 8, 2, width=4).eval(), DigitNet().eval()
    grey, colour = noise(2, 1, 16, 16), noise(2, 3, 28, 28)
    torch.testing.assert_close(colour_net.features(grey), colour_net.features(grey.repeat(1, 3, 1, 1)))
    torch.testing.assert_close(grey_net.features(colour), grey_net.features(colour.mean(1, keepdim=True)))


@given(height=st.integers(9, 70), width=st.integers(9, 70))
@settings(max_examples=15, deadline=None)
def test_other_sizes_are_resized_as_pillow_resizes(height: int, width: int) -> None:
    """Pillow widens its filter when it makes an image smaller; a resize without that differs by tenths."""
    seen: list[Tensor] = []
    net = SmallNet(24, 1, 8, 2, width=4).eval()
    net.body.register_forward_pre_hook(lambda _module, inputs: seen.append(inputs[0]))
    images = noise(1, 1, height, width, seed=height)
    net.features(images)
    by_pillow = Image.fromarray(images[0, 0].numpy()).resize((24, 24), Image.Resampling.BILINEAR)
    np.testing.assert_allclose(seen[0][0, 0].numpy(), np.asarray(by_pillow), atol=1e-5)


def test_tapped_layers_are_those_of_a_pass_by_hand() -> None:
    discriminator = GAN.build("dcgan", width=4, device="cpu").discriminator
    images = noise(2, 1, 28, 28)
    found = tapped(discriminator, images, ["net.3", "net.0", ""])
    assert list(found) == ["net.3", "net.0", ""]
    by_hand = images
    for i, layer in enumerate(discriminator.net):  # type: ignore[union-attr, arg-type]
        by_hand = layer(by_hand)
        if i in (0, 3):
            assert torch.equal(found[f"net.{i}"], by_hand)
    assert torch.equal(found[""], discriminator(images)), "the empty name is the module itself"
    assert hooks_of(discriminator) == 0


def test_taps_see_each_pass_and_carry_gradients() -> None:
    net = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 1))
    x = noise(4, 3).requires_grad_()
    with taps(net, ["0"]) as found:
        assert found == {}
        for factor in (1, 2):
            net(factor * x)
            assert torch.equal(found["0"], net[0](factor * x))
    (gradient,) = torch.autograd.grad(found["0"][:, 0].sum(), x)
    torch.testing.assert_close(gradient, 2 * net[0].weight[0].expand(4, 3))


def test_a_later_layer_that_writes_in_place_does_not_change_what_was_tapped() -> None:
    net = nn.Sequential(nn.Linear(3, 8), nn.ReLU(inplace=True))
    x = noise(5, 3)
    before = tapped(net, x, ["0"])["0"]
    assert (before < 0).any()
    torch.testing.assert_close(before, x @ net[0].weight.T + net[0].bias)


class Unused(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.spare, self.both = nn.Linear(2, 2), nn.Linear(2, 2), nn.LSTM(2, 2)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.both(self.first(x))[0]
        return out


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("frist", "no layer of Unused named 'frist' .did you mean 'first'"),
        ("spare", "layer 'spare' of Unused was not used"),
        ("both", "layer 'both' gives a tuple"),
    ],
)
def test_layers_that_cannot_be_tapped_are_one_sentence_and_leave_no_hook(name: str, said: str) -> None:
    net = Unused()
    with pytest.raises(ValueError, match=said) as caught:
        tapped(net, torch.zeros(3, 2), ["first", name])
    assert "\n" not in str(caught.value)
    assert hooks_of(net) == 0


def test_hooks_are_gone_after_a_pass_that_failed() -> None:
    net = nn.Sequential(nn.Linear(3, 2))
    with pytest.raises(RuntimeError):
        tapped(net, torch.zeros(1, 5), ["0"])
    assert hooks_of(net) == 0


def test_evaluating_gives_every_part_its_own_mode_back() -> None:
    net = nn.Sequential(nn.BatchNorm1d(2), nn.Sequential(nn.Dropout()), nn.Linear(2, 2))
    net[0].eval()
    before = [part.training for part in net.modules()]
    assert len(set(before)) == 2
    with evaluating(net):
        assert not any(part.training for part in net.modules())
    assert [part.training for part in net.modules()] == before
    with pytest.raises(RuntimeError), evaluating(net):
        net(torch.zeros(1, 5))
    assert [part.training for part in net.modules()] == before


def test_a_network_without_a_config_is_a_digit_net_and_the_file_is_what_is_loaded() -> None:
    assert "mnist-v1" in features.FEATURE_NETWORKS
    assert "config" not in feature_card("mnist-v1")
    net = load_features("mnist-v1", "cpu")
    assert isinstance(net, DigitNet)
    assert (net.size, net.channels, net.n_features, net.n_classes) == (28, 1, 64, 10)
    assert not net.training
    assert not any(p.requires_grad for p in net.parameters())
    for key, value in load_file(FOLDER / "features-mnist-v1.safetensors").items():
        assert torch.equal(net.state_dict()[key], value.to(net.state_dict()[key].dtype))


@pytest.mark.parametrize("name", features.FEATURE_NETWORKS)
def test_every_shipped_network_loads_and_gives_what_its_numbers_say(name: str) -> None:
    net = load_features(name, "cpu")
    found, logits = extract(net, torch.randint(0, 256, (3, 3, 40, 40), dtype=torch.uint8))
    assert found.shape == (3, net.n_features)
    assert logits.shape == (3, net.n_classes)
    assert feature_card(name)["test_accuracy"] >= 0.8


@pytest.mark.parametrize("damaged", ["json", "safetensors"])
def test_a_damaged_network_of_ones_own_is_named(damaged: str, tmp_path: Path) -> None:
    shipped = FOLDER
    for kind in ("json", "safetensors"):
        (tmp_path / f"features-my.v1.{kind}").write_bytes(
            (shipped / f"features-mnist-v1.{kind}").read_bytes()
        )
    assert features.feature_networks(tmp_path) == ("my.v1",)
    assert load_features("my.v1", "cpu", tmp_path).n_features == 64
    copied = tmp_path / "copied"
    copied.mkdir()
    for path in tmp_path.glob("features-*"):
        content = path.read_bytes()
        (copied / path.name).write_bytes(
            content[: len(content) // 2] if path.suffix == f".{damaged}" else content
        )
    for _ in range(2):
        with pytest.raises(
            ValueError, match=rf"features-my\.v1\.{damaged} (is no card|cannot be read)"
        ) as caught:
            load_features("my.v1", "cpu", copied)
        assert "\n" not in str(caught.value)


def test_unknown_names_and_images_are_one_sentence() -> None:
    for call, said in [
        (
            lambda: load_features("mnist-v2", "cpu"),
            "no feature network named 'mnist-v2' .did you mean 'mnist-v1'",
        ),
        (lambda: feature_card("mnist"), "known: .*mnist-v1"),
        (lambda: SmallNet(8), "size is 8"),
        (lambda: SmallNet(128, 3, 100), "size is 128 and n_features 100"),
        (lambda: DigitNet().features(torch.zeros(28, 28)), r"shape \(28, 28\)"),
        (lambda: DigitNet()(torch.zeros(1, 2, 28, 28)), r"shape \(1, 2, 28, 28\)"),
    ]:
        with pytest.raises(ValueError, match=said) as caught:
            call()
        assert "\n" not in str(caught.value)


def test_moved_images_are_shifts_and_flips_of_themselves() -> None:
    images = torch.randint(
        0, 256, (40, 2, 6, 5), dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )
    assert torch.equal(recipes_features.moved(images, 0, False), images)
    out = recipes_features.moved(images, 2, True, torch.Generator().manual_seed(1))
    assert out.dtype == torch.uint8
    seen = set()
    for before, after in zip(images.numpy(), out.numpy(), strict=True):
        wide = np.pad(before, ((0, 0), (2, 2), (2, 2)), mode="edge")
        moves = [
            (down, across, flip)
            for down in range(5)
            for across in range(5)
            for flip in (1, -1)
            if (wide[:, down : down + 6, across : across + 5][:, :, ::flip] == after).all()
        ]
        assert len(moves) == 1
        seen.add(moves[0])
    assert {flip for *_, flip in seen} == {1, -1}
    assert len(seen) > 20, "each image moves on its own"


def test_training_learns_and_leaves_what_is_shipped() -> None:
    images = load("glyphs:shapes", size=16, limit=500, device="cpu")
    torch.manual_seed(0)
    net = SmallNet(16, 1, 32, 10, width=8)
    recipes_features.train_classifier(net, images, steps=60, batch_size=50, pixels=1)
    assert recipes_features.accuracy(net, images) > 0.6
    assert not net.training
    for tensor in net.state_dict().values():
        assert torch.equal(tensor, tensor.half().to(tensor.dtype))
    with pytest.raises(ValueError, match="tensor has no labels"):
        recipes_features.train_classifier(net, Images(images.data, name="a tensor"), steps=1)


def test_the_drawn_world_has_every_class_of_every_domain_in_four_forms() -> None:
    world = recipes_features.drawn_world(10, 3).to("cpu")
    assert world.data.shape == (4 * 4 * 10, 3, 64, 64)
    assert world.labels is not None
    assert world.labels.unique().tolist() == list(range(len(world.class_names)))
    for number, domain in enumerate(glyphs.DOMAINS):
        forms = world.data[40 * number : 40 * number + 40].split(10)
        names = [world.class_names[i] for i in world.labels[40 * number : 40 * number + 40]]
        classes = glyphs.DOMAINS[domain].names
        assert names[:10] == [f"{domain} {classes[i % len(classes)]}" for i in range(10)]
        assert [bool((form[:, 0] == form[:, 2]).all()) for form in forms] == [False, True, False, True]


def test_the_glyphs_recipe_writes_a_network_that_loads(tmp_path: Path) -> None:
    recipes_features.build_features_glyphs(tmp_path, each=10, steps=3, batch_size=16)
    assert features.feature_networks(tmp_path) == ("glyphs-v1",)
    card = feature_card("glyphs-v1", tmp_path)
    assert card["config"] == {"size": 64, "channels": 3, "n_features": 128, "n_classes": 38, "width": 16}
    assert [name.split()[0] for name in card["classes"]] == [
        domain for domain in glyphs.DOMAINS for _ in glyphs.DOMAINS[domain].classes
    ]
    assert card["bytes"] == (tmp_path / "features-glyphs-v1.safetensors").stat().st_size < 1_000_000
    net = load_features("glyphs-v1", "cpu", tmp_path)
    test_set = recipes_features.drawn_world(1, 2).to("cpu")
    assert len(test_set) == 4 * 4
    assert recipes_features.accuracy(net, test_set) == pytest.approx(card["test_accuracy"], abs=1e-4)


@pytest.mark.parametrize(
    ("source", "named"),
    [
        ("the zip cifar10-jpeg-train.zip", True),
        ("a JPEG copy of CIFAR-10", True),
        ("the files of CIFAR-10", False),
    ],
)
def test_the_cifar10_card_names_a_jpeg_copy(tmp_path: Path, source: str, named: bool) -> None:
    drawn = load("glyphs:shapes", size=32, channels=3, limit=64, device="cpu")
    images = Images(drawn.data, drawn.labels, drawn.class_names, "stand-in", source)
    recipes_features.build_features_cifar10(tmp_path, images, images, steps=2, batch_size=16)
    card = json.loads((tmp_path / "features-cifar10-v1.json").read_text())
    assert ("JPEG copy" in card["data"]) is named
    assert source in card["data"]
    assert card["config"]["size"] == 32
    assert card["bytes"] < 1_000_000
    net = load_features("cifar10-v1", "cpu", tmp_path)
    assert recipes_features.accuracy(net, images) == pytest.approx(card["test_accuracy"], abs=1e-4)


def test_the_mnist_recipe_writes_a_network_that_loads(tmp_path: Path) -> None:
    drawn = load("glyphs:digits", size=28, limit=64, device="cpu")
    recipes_features.build_features_mnist(tmp_path, drawn, drawn, epochs=2, batch_size=16)
    card = json.loads((tmp_path / "features-mnist-v1.json").read_text())
    assert {"title", "data", "licence", "test_accuracy", "recipe", "sha256", "seconds"} <= card.keys()
    net = load_features("mnist-v1", "cpu", tmp_path)
    assert recipes_features.accuracy(net, drawn) == pytest.approx(card["test_accuracy"], abs=1e-4)
