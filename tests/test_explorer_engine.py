"""What the explorer sends to a browser, and its engine in Node: folding, packing, and the same pictures as torch."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from drawable import dcgan, live
from torch import Tensor, nn

from tgan_lib import latent, zoo
from tgan_lib.gan import GAN
from tgan_lib.widgets.explorer import LatentExplorer, Unsupported, assets, export, pack
from tgan_lib.widgets.explorer.export import choose_fine, least_bytes, quantise
from tgan_lib.widgets.explorer.fold import Affine, fold_batch_norms
from tgan_lib.widgets.explorer.twin import seeded_latents

NODE = shutil.which("node")
needs_node = pytest.mark.skipif(NODE is None, reason="needs Node.js, and none was found: install nodejs")
# Sharp edges, and no room for more than eight bits in its large layers: a few pixels in a thousand move visibly.
NO_ROOM = {"peeps-64"}
ENGINE = Path(__file__).with_name("explorer_engine.mjs")


def mixed() -> nn.Sequential:
    """Every layer that the engine knows, with uneven kernels, strides and paddings."""
    return nn.Sequential(
        nn.Linear(5, 6 * 4 * 3, bias=False),
        nn.BatchNorm1d(72),
        nn.LeakyReLU(0.2),
        nn.Dropout(),
        nn.Unflatten(1, (6, 4, 3)),
        nn.Conv2d(6, 7, (3, 2), stride=(1, 2), padding=(1, 1)),
        nn.BatchNorm2d(7),
        nn.ReLU(),
        nn.Sequential(nn.ConvTranspose2d(7, 5, (3, 4), stride=(3, 2), padding=(1, 0), output_padding=(2, 1))),
        nn.BatchNorm2d(5, affine=False),
        nn.LeakyReLU(0.1),
        nn.Conv2d(5, 3, 3, padding=1),
        nn.Tanh(),
    )


def ask_node(
    generator: nn.Module, z: Tensor, folder: Path, seed: int = 7, plain: bool = False
) -> dict[str, Any]:
    (folder / "module.mjs").write_text(assets.module(), encoding="utf-8")
    (folder / "packed").write_bytes(pack(generator))
    question = {"latents": z.tolist(), "seed": seed, "count": 3, "plain": plain}
    (folder / "question").write_text(json.dumps(question))
    command = [str(NODE), str(ENGINE), *(str(folder / name) for name in ("module.mjs", "packed", "question"))]
    answer: dict[str, Any] = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
    return answer


@pytest.mark.parametrize("size", [28, 32])
def test_folding_changes_nothing(size: int) -> None:
    generator, z = dcgan(size, channels=3).ema, torch.randn(50, 64)
    folded = fold_batch_norms(generator)
    assert not any(isinstance(layer, nn.BatchNorm2d) for layer in folded)
    assert (folded(z) - generator(z)).abs().max() < 1e-5


def test_folding_leaves_the_generator_as_it_was() -> None:
    generator = dcgan().generator.train()
    before = {key: value.clone() for key, value in generator.state_dict().items()}
    pack(generator)
    assert generator.training
    assert all(torch.equal(before[key], value) for key, value in generator.state_dict().items())


def test_quantised_weights_are_within_half_a_step() -> None:
    weight = torch.randn(20, 6, 9) * torch.tensor([1e-3, 1, 5, 0.1, 2, 0])[None, :, None]
    for fine, parts in ((False, 2), (True, 32)):
        error = (quantise(weight, fine).weight() - weight).abs().amax((0, 2))
        assert (error <= weight.abs().amax((0, 2)) / 127 / parts * 1.01 + 1e-9).all()


@needs_node
@pytest.mark.parametrize("name", ["made up", *zoo.names()])
def test_the_engine_draws_what_torch_draws(name: str, tmp_path: Path) -> None:
    gan = dcgan(width=64) if name == "made up" else zoo.load(name, device="cpu")
    z = gan.latents(50, seed=11)
    expected = gan.sample(z=z)
    assert expected.std() > 0.3, "pictures that are all alike would prove nothing"
    answer = ask_node(gan.ema, z, tmp_path)
    assert answer["image"] == list(expected.shape[1:])
    error = (torch.tensor(answer["pictures"]).view_as(expected) - expected).abs()
    if name in NO_ROOM:
        assert error.mean() <= 0.003
        assert (error > 0.03).float().mean() <= 0.005
    else:
        assert error.max() <= 0.03
    assert (tmp_path / "packed").stat().st_size <= 1_200_000


@needs_node
@pytest.mark.parametrize("spoil", [False, True])
def test_every_layer_the_engine_knows(spoil: bool, tmp_path: Path) -> None:
    net, z = live(mixed(), 5), torch.randn(50, 5)
    expected = net(z).detach()
    if spoil:  # the comparison sees a single wrong number
        net[-2].bias.data[0] += 0.2
    pictures = torch.tensor(ask_node(net, z, tmp_path)["pictures"]).view_as(expected)
    assert ((pictures - expected).abs().max() < 0.03) is not torch.tensor(spoil)


@needs_node
@pytest.mark.parametrize("made", [lambda: live(mixed(), 5), lambda: dcgan(32, channels=3).ema])
def test_simd_and_plain_code_draw_the_same(made: Callable[[], nn.Module], tmp_path: Path) -> None:
    net = made()
    z = torch.randn(9, latent.first_linear(net).in_features)
    fast, plain = (ask_node(net, z, tmp_path, plain=plain) for plain in (False, True))
    assert fast["simd"], (
        "this Node has WebAssembly's SIMD; without it the test would compare a thing with itself"
    )
    assert np.abs(np.array(fast["pictures"]) - np.array(plain["pictures"])).max() <= 1e-4
    assert fast["pictures"] != plain["pictures"], "sums in another order differ in their last digits"


@needs_node
def test_javascript_and_python_agree_on_seeds_and_arcs(tmp_path: Path) -> None:
    for seed in (0, 7, 2**32 - 1):
        answer = ask_node(mixed().eval(), torch.zeros(1, 5), tmp_path, seed)
        ours = seeded_latents(3, 5, seed)
        assert np.allclose(ours, answer["seeded"], atol=1e-6)
        arc = latent.slerp(torch.from_numpy(ours[0]), torch.from_numpy(ours[1]), 0.3)
        assert np.allclose(arc.numpy(), answer["arc"], atol=1e-5)


def test_seeded_latents_are_standard_normal() -> None:
    z = seeded_latents(500, 64, seed=3)
    assert abs(z.mean()) < 0.02
    assert abs(z.std() - 1) < 0.02
    assert not np.array_equal(z, seeded_latents(500, 64, seed=4))


def test_more_bits_only_where_eight_are_too_few() -> None:
    net = fold_batch_norms(dcgan(width=32).ema)
    net[-2].weight.data *= 10  # pictures that a small change turns over
    assert choose_fine(net, 64)
    net[-2].weight.data *= 1e-4  # pictures that hardly vary
    assert choose_fine(net, 64) == set()


def test_extra_bits_stop_where_there_is_no_room(monkeypatch: pytest.MonkeyPatch) -> None:
    net = fold_batch_norms(dcgan(width=32).ema)
    net[-2].weight.data *= 10
    sizes = {i: net[i].weight.numel() for i in choose_fine(net, 64)}
    assert len(sizes) > 1
    least = least_bytes([layer for layer in net if isinstance(layer, Affine)])
    assert least <= len(pack(net)) - sum(sizes.values()) // 2 + 1600, "counted roughly, and not too little"
    monkeypatch.setattr(export, "MOST_BYTES", least + min(sizes.values()) // 2)
    assert choose_fine(net, 64) == {min(sizes, key=lambda i: sizes[i])}
    monkeypatch.setattr(export, "MOST_BYTES", 0)
    assert choose_fine(net, 64) == set()


class Twice(nn.Module):
    """Does more in forward than its chain of layers."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(4, 784), nn.Tanh(), nn.Unflatten(1, (1, 28, 28)))

    def forward(self, z: Tensor) -> Tensor:
        images: Tensor = self.net(2 * z)
        return images


def square(*layers: nn.Module) -> nn.Sequential:
    return nn.Sequential(nn.Linear(4, 784), *layers, nn.Unflatten(1, (1, 28, 28)))


UNKNOWN = {
    "more in forward": Twice,
    "no Softplus": lambda: square(nn.Softplus()),
    "does not follow": lambda: square(nn.ReLU(), nn.BatchNorm1d(784)),
    "groups": lambda: nn.Sequential(
        nn.Linear(4, 784), nn.Unflatten(1, (4, 14, 14)), nn.Conv2d(4, 4, 3, groups=2)
    ),
    "too slow": lambda: GAN.build("dcgan", size=64, channels=3, device="cpu").ema,
    r"not pictures of 1 or 3": lambda: nn.Sequential(nn.Linear(4, 784), nn.Unflatten(1, (4, 14, 14))),
}


@pytest.mark.parametrize("why", UNKNOWN)
def test_a_generator_that_the_browser_cannot_draw_is_left_to_the_kernel(why: str) -> None:
    generator = UNKNOWN[why]()
    with pytest.raises(Unsupported, match=why):
        pack(generator)
    if "not pictures" in why or why == "groups":
        return  # the kernel could not show these either
    explorer = LatentExplorer(generator)
    assert explorer.drawn_by == "kernel"
    assert "data-explorer" not in explorer.twin()
