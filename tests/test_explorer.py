"""The explorer's Python side: messages, the still picture and state that a notebook keeps, arguments."""

from __future__ import annotations

import base64
import html
import importlib
import io
import json
import logging
import re
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from drawable import dcgan
from PIL import Image
from torch import Tensor

from tgan_lib import latent, zoo
from tgan_lib.gan import GAN
from tgan_lib.widgets.explorer import LatentExplorer, assets, pack
from tgan_lib.widgets.explorer.twin import MOST_PREVIEW_BYTES, seeded_latents, twin_html


@pytest.fixture
def shipped(monkeypatch: pytest.MonkeyPatch) -> GAN:
    """A GAN that the zoo says it ships."""
    gan = dcgan()
    gan.card = {"name": "mnist-test", "sha256": "0123"}
    monkeypatch.setattr(zoo, "names", lambda: ["mnist-test"])
    original = dcgan()
    original.card = dict(gan.card)
    monkeypatch.setattr(zoo, "load", lambda name, device=None: original)
    return gan


def heard(explorer: LatentExplorer) -> list[tuple[dict[str, Any], list[bytes]]]:
    """Every message that the explorer sends from now on."""
    said: list[tuple[dict[str, Any], list[bytes]]] = []
    explorer.send = lambda content, buffers=(): said.append((content, list(buffers)))
    return said


def test_weights_go_by_message_and_not_by_state(shipped: GAN) -> None:
    explorer = LatentExplorer(shipped)
    assert explorer.drawn_by == "browser"
    state = explorer.get_state()
    own = {key: value for key, value in state.items() if key not in ("_esm", "_css")}
    assert not any(isinstance(value, (bytes, memoryview)) for value in state.values())
    assert len(json.dumps(own, default=str)) < 12_000
    assert len(state["_esm"]) < 40_000
    said = heard(explorer)
    explorer._answer(explorer, {"kind": "weights", "id": "a-1"}, [])
    assert said == [({"kind": "weights", "id": "a-1"}, [pack(shipped.ema)])]


def test_the_kernel_draws_a_batch_on_request() -> None:
    def squares(z: Tensor) -> Tensor:
        return z[:, :1, None, None].expand(-1, 3, 5, 4).clamp(-1, 1)

    explorer = LatentExplorer(squares, latent_dim=2)
    assert (explorer.drawn_by, explorer.image) == ("kernel", [3, 5, 4])
    said = heard(explorer)
    z = np.array([[-1, 0], [0.5, 0], [9, 0]], dtype="<f4")
    explorer._answer(explorer, {"kind": "render", "id": "b-1", "n": 3}, [memoryview(z.tobytes())])
    [(content, [pixels])] = said
    assert content == {"kind": "render", "id": "b-1"}
    seen = np.frombuffer(pixels, np.uint8).reshape(3, 3, 5, 4)
    assert [int(seen[i].min()) for i in range(3)] == [int(seen[i].max()) for i in range(3)] == [0, 191, 255]


def test_a_failure_in_the_kernel_is_told_to_the_view() -> None:
    broken: list[bool] = []

    def fragile(z: Tensor) -> Tensor:
        if broken:
            raise RuntimeError("out of memory")
        return torch.zeros(len(z), 1, 4, 4)

    explorer = LatentExplorer(fragile, latent_dim=2)
    broken.append(True)
    said = heard(explorer)
    explorer._answer(explorer, {"kind": "render", "id": "c", "n": 1}, [np.zeros(2, "<f4").tobytes()])
    assert said == [({"kind": "error", "id": "c", "text": "the kernel could not draw: out of memory"}, [])]


def twin_state(text: str) -> dict[str, Any]:
    state: dict[str, Any] = json.loads(html.unescape(re.search(r'data-explorer="([^"]*)"', text)[1]))
    return state


def test_the_stored_twin_is_a_picture_and_a_little_state(shipped: GAN) -> None:
    explorer = LatentExplorer(shipped, seed=5)
    data, _ = explorer._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in data, "live, the widget is shown"
    text = data["text/html"]
    assert len(text) < 40_000 < len(pack(shipped.ema)), "the weights are not in it"
    assert re.search(r'alt="16 samples of mnist-test, in a grid"', text)
    png = base64.b64decode(re.search(r"base64,([^\"]+)", text)[1])
    assert len(png) <= MOST_PREVIEW_BYTES
    picture = np.asarray(Image.open(io.BytesIO(png)))
    first = shipped.sample(z=torch.from_numpy(seeded_latents(1, 64, 5)))[0, 0]
    assert np.abs(picture[:28, :28] / 127.5 - 1 - first.numpy()).max() < 0.01, "it shows the grid of its seed"
    state = twin_state(text)
    assert (state["name"], state["sha256"], state["seed"], state["image"]) == (
        "mnist-test",
        "0123",
        5,
        [1, 28, 28],
    )
    assert len(state["directions"]) == 5
    assert "\n" not in text, "markdown must not read into it"


def test_only_a_model_that_is_still_the_shipped_one_can_move_on_the_site(shipped: GAN) -> None:
    assert "data-explorer" in LatentExplorer(shipped).twin()
    with torch.no_grad():
        shipped.ema.net[-2].bias += 0.5  # trained further
    assert "data-explorer" not in LatentExplorer(shipped).twin()
    assert "data-explorer" in LatentExplorer(zoo.load("mnist-test").ema, name="mnist-test").twin()
    shipped.card = {}
    assert "running this notebook makes it move" in LatentExplorer(shipped).twin()


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 64, 64), (3, 256, 256), (1, 33, 70)])
def test_a_preview_of_noise_still_fits(shape: tuple[int, int, int]) -> None:
    images = torch.rand(16, *shape, generator=torch.Generator().manual_seed(0)) * 2 - 1
    text = twin_html(images, 4, "noise <1>", None)
    png = base64.b64decode(re.search(r"base64,([^\"]+)", text)[1])
    assert len(png) <= MOST_PREVIEW_BYTES
    assert re.search(r'alt="\d+ samples? of noise &lt;1&gt;', text)


def test_the_site_gets_what_its_twins_need(
    shipped: GAN, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.syspath_prepend(Path(__file__).parents[1] / "book" / "_ext")
    extension = importlib.import_module("explorer_assets")
    monkeypatch.setattr(zoo, "card", lambda name: {"sha256": "0123"})
    twin = LatentExplorer(shipped).twin()
    pages = {
        "good": twin,
        "old": twin.replace("0123", "9999"),
        "other": twin.replace("&quot;mnist-test", "&quot;x"),
    }
    for name, text in pages.items():
        (tmp_path / f"{name}.html").write_text(text, encoding="utf-8")
    app = SimpleNamespace(builder=SimpleNamespace(format="html"), outdir=str(tmp_path))
    with caplog.at_level("WARNING"):
        monkeypatch.setattr(extension, "logger", logging.getLogger("site"))
        extension.write_assets(app, None)
    assert caplog.messages == [
        "old.html explores an old mnist-test; execute its notebook again",
        "other.html explores x, which is not in the zoo",
    ]
    written = {path.name for path in (tmp_path / "_static" / "explorer").iterdir()}
    assert written == {"loader.js", "explorer.js", "explorer.css", "mnist-test.js"}


def test_directions_come_from_the_argument_the_gan_or_the_closed_form(shipped: GAN) -> None:
    closed = LatentExplorer(shipped).directions
    assert list(closed) == [f"direction {i}" for i in range(1, 6)]
    assert np.allclose(closed["direction 1"], latent.closed_form_directions(shipped.ema, 1)[0], atol=1e-4)
    shipped.directions = {"slant": 3 * torch.eye(64)[2]}
    assert LatentExplorer(shipped).directions == {"slant": torch.eye(64)[2].tolist()}
    assert list(LatentExplorer(shipped, directions=torch.eye(64)[:2]).directions) == [
        "direction 1",
        "direction 2",
    ]


def test_the_current_latent_can_be_read_and_set(shipped: GAN) -> None:
    explorer = LatentExplorer(shipped, seed=2)
    assert torch.allclose(explorer.latent(), torch.from_numpy(seeded_latents(1, 64, 2)), atol=1e-5)
    assert shipped.sample(z=explorer.latent()).shape == (1, 1, 28, 28)
    explorer.z = [0.5] * 64
    assert explorer.latent().tolist() == [[0.5] * 64]


def test_bad_input_is_answered_in_one_sentence(shipped: GAN) -> None:
    def wrong(z: Tensor) -> Tensor:
        return z

    explorer = LatentExplorer(shipped)
    calls: list[tuple[Callable[[], Any], str]] = [
        (lambda: LatentExplorer("mnist-dcgan"), "gan is 'mnist-dcgan'"),
        (lambda: LatentExplorer(wrong), "latent_dim=64"),
        (lambda: LatentExplorer(wrong, latent_dim=3), r"became \(1, 3\)"),
        (lambda: LatentExplorer(shipped, grid=(0, 4)), r"grid is \(0, 4\)"),
        (lambda: LatentExplorer(shipped, seed=-1), "seed is -1"),
        (lambda: LatentExplorer(shipped, directions={"up": torch.zeros(64)}), "'up'.*not all 0"),
        (
            lambda: LatentExplorer(shipped, directions=torch.eye(3)),
            r"shape \(3,\); it should be 64 finite numbers",
        ),
        (lambda: setattr(explorer, "z", [0.0] * 3), "z has 3 numbers; this generator takes 64"),
    ]
    for call, said in calls:
        with pytest.raises((ValueError, TypeError), match=said) as caught:
            call()
        assert "\n" not in str(caught.value)


def test_the_module_stands_alone() -> None:
    """One file, no imports, nothing from elsewhere."""
    for text in (assets.module(), assets.script(), assets.style(), assets.read("loader.js")):
        assert not re.search(r"https?://|\bimport\s*[({*'\"]|@import|\brequire\(", text)
