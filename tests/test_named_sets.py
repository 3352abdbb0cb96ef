"""Sets by name: MNIST from disk, drawn or fetched, and what is said where it is damaged or cannot be had."""

from __future__ import annotations

import gzip
import hashlib
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import torch
from bad_server import BadServer, refused_port
from tiny_sets import alone, make, one_sentence, png, small_mnist

from tgan_lib.data import DownloadError, datasets, download, load

REAL_DATA = os.environ.get("TGAN_DATA")  # read before the tests take it away


@pytest.fixture(autouse=True)
def _nothing_of_this_computer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Each test says what it has."""
    alone(monkeypatch, tmp_path)


@pytest.fixture
def server() -> Iterator[BadServer]:
    with BadServer() as server:
        yield server


def test_mnist_is_read_from_tgan_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = small_mnist()
    make(tmp_path, {f"MNIST/raw/{name}": content for name, content in files.items()})
    monkeypatch.setenv("TGAN_DATA", str(tmp_path))
    images = load("mnist", device="cpu")
    assert images.data.numpy().tobytes() == files["train-images-idx3-ubyte"][16:]
    assert images.labels is not None
    assert images.labels.tolist() == [i % 10 for i in range(30)]
    assert images.labels.dtype == torch.int64
    assert images.class_names == tuple("0123456789")
    assert len(load("mnist", split="test")) == 15
    assert load("mnist", size=32, channels=3).data.shape == (30, 3, 32, 32)
    few = load("mnist", limit=5)
    assert torch.equal(few.data, load("mnist", limit=5).data)
    assert len(few) == 5


@pytest.mark.parametrize(
    "damage", [lambda raw: raw[:-1], lambda raw: raw[:3], lambda raw: b"<html>" + raw, lambda raw: b""]
)
def test_damaged_mnist_files_are_named(damage: object, tmp_path: Path) -> None:
    files = small_mnist()
    files["train-images-idx3-ubyte"] = damage(files["train-images-idx3-ubyte"])  # type: ignore[operator]
    make(tmp_path, {f"MNIST/raw/{name}": content for name, content in files.items()})
    with pytest.raises(ValueError, match=r"train-images-idx3-ubyte .*delete it and load again") as caught:
        load("mnist", root=tmp_path)
    one_sentence(caught.value)


def test_a_smoke_run_draws_and_says_so(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    monkeypatch.setenv("TGAN_BUDGET", "smoke")
    monkeypatch.setattr(datasets, "fetch", lambda *a, **k: pytest.fail("a smoke run must not download"))
    make(tmp_path, {f"MNIST/raw/{name}": content for name, content in small_mnist().items()})
    for folder in (None, str(tmp_path)):  # the same everywhere, real data or none
        if folder:
            monkeypatch.setenv("TGAN_DATA", folder)
        images = load("mnist")
        said = capsys.readouterr().out
        assert said == "This is a smoke run: drawn digits stand in for MNIST.\n"
        assert images.data.shape[1:] == (1, 28, 28)
        assert images.name == "glyphs:digits in place of mnist"
        assert images.source == "drawn glyphs"
        assert images.labels is not None
        assert images.labels.unique().tolist() == list(range(10))
    assert len(load("mnist", size=32, limit=100)) == 100
    assert load("fashion-mnist").name == "glyphs:shapes in place of fashion-mnist"
    capsys.readouterr()
    assert load("mnist", root=tmp_path).name == "mnist"
    assert capsys.readouterr().out == ""


def test_glyphs_by_name() -> None:
    images = load("glyphs:shapes", size=48, channels=3, limit=20)
    assert images.data.shape == (20, 3, 48, 48)
    assert images.class_names[0] == "circle"
    assert torch.equal(load("glyphs", limit=5).data, load("glyphs:digits", limit=5).data)
    assert not torch.equal(load("glyphs", limit=5).data, load("glyphs", limit=5, split="test").data)


def test_without_data_or_network_the_error_says_how_to_go_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(
        DownloadError, match=r"could not be reached \(.*set TGAN_DATA .* load\('glyphs'\)"
    ) as caught:
        load("mnist", mirrors=[f"http://127.0.0.1:{refused_port()}/"])
    one_sentence(caught.value)
    with pytest.raises(FileNotFoundError, match=r"MNIST is not in .*; set TGAN_DATA .* load\('glyphs'\)"):
        load("mnist", download=False)
    monkeypatch.setenv("TGAN_DATA", str(tmp_path / "elsewhere"))
    with pytest.raises(FileNotFoundError, match="elsewhere"):
        load("mnist")  # TGAN_DATA is somebody's own folder: nothing is downloaded into it
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("manner", ["404", "wrong", "truncate", "stall", "reset"])
def test_a_bad_server_leaves_nothing_that_load_would_use(
    manner: str, server: BadServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "TIMEOUT", 0.2)
    for name, content in small_mnist().items():
        server.put(f"{name}.gz", gzip.compress(content), manner)
    for _ in range(2):  # the second time with whatever the first one left behind
        with pytest.raises(DownloadError, match="to go on without the network") as caught:
            load("mnist", mirrors=[server.url("")])
        one_sentence(caught.value)
    left = [file.name for file in (tmp_path / "cache").rglob("*") if file.is_file()]
    assert all(name.endswith(".part") or name == ".lock" for name in left)
    if manner == "wrong":
        assert left == [".lock"]


def offer_mnist(server: BadServer, monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """A tiny MNIST on the server, packed, and torchvision told its hashes; the unpacked files."""
    import torchvision

    files, resources = small_mnist(), []
    for name, content in files.items():
        packed = gzip.compress(content)
        server.put(f"{name}.gz", packed)
        resources.append((f"{name}.gz", hashlib.md5(packed).hexdigest()))
    monkeypatch.setattr(torchvision.datasets.MNIST, "resources", resources)
    return files


def test_mnist_is_fetched_once_part_by_part_and_read_packed(
    server: BadServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files = offer_mnist(server, monkeypatch)
    mirrors = [server.url("nowhere"), server.url("")]
    images = load("mnist", mirrors=mirrors, device="cpu")
    assert images.data.numpy().tobytes() == files["train-images-idx3-ubyte"][16:]
    asked = len(server.log)
    assert torch.equal(load("mnist", mirrors=mirrors, device="cpu").data, images.data)
    assert len(server.log) == asked
    raw = tmp_path / "cache" / "MNIST" / "raw"
    assert sorted(path.name for path in raw.iterdir()) == [
        ".lock",
        "train-images-idx3-ubyte.gz",
        "train-labels-idx1-ubyte.gz",
    ]
    assert len(load("mnist", split="test", mirrors=mirrors)) == 15
    (raw / "train-images-idx3-ubyte").write_bytes(
        files["train-images-idx3-ubyte"]
    )  # as torchvision leaves it
    (raw / "train-images-idx3-ubyte.gz").write_bytes(b"damaged, and not asked for")
    assert len(load("mnist")) == 30


@pytest.mark.parametrize(
    "damage", [lambda raw: raw[: len(raw) // 2], lambda raw: b"<html>sign in</html>", lambda raw: b""]
)
def test_a_packed_file_that_broke_off_is_named_and_said_what_to_do_with(
    damage: Callable[[bytes], bytes], server: BadServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    offer_mnist(server, monkeypatch)
    load("mnist", mirrors=[server.url("")])
    path = tmp_path / "cache" / "MNIST" / "raw" / "train-images-idx3-ubyte.gz"
    path.write_bytes(damage(path.read_bytes()))
    for _ in range(2):
        with pytest.raises(
            ValueError, match=r"train-images-idx3-ubyte\.gz .*; delete it and load again"
        ) as caught:
            load("mnist", mirrors=[server.url("")])
        one_sentence(caught.value)
    path.unlink()
    assert len(load("mnist", mirrors=[server.url("")])) == 30


def test_images_and_labels_that_do_not_belong_together_are_refused(tmp_path: Path) -> None:
    files = small_mnist()
    files["train-labels-idx1-ubyte"] = files["t10k-labels-idx1-ubyte"]
    make(tmp_path, {f"MNIST/raw/{name}": content for name, content in files.items()})
    with pytest.raises(
        ValueError, match=r"shape \(30, 28, 28\) .*shape \(15,\), which do not belong together"
    ):
        load("mnist", root=tmp_path)


def test_a_cache_that_cannot_be_kept_is_said_with_what_to_set(
    server: BadServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_bytes(b"no folder")
    monkeypatch.setenv("TGAN_CACHE", str(tmp_path / "file"))  # a root user may write anywhere else
    with pytest.raises(DownloadError, match=r"cannot be written \(.*\); set TGAN_CACHE") as caught:
        load("mnist", mirrors=[server.url("")])
    one_sentence(caught.value)
    monkeypatch.delenv("TGAN_CACHE")

    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", no_home)
    with pytest.raises(RuntimeError, match=r"no home folder .*set TGAN_CACHE .*TGAN_DATA") as caught:
        load("mnist")
    one_sentence(caught.value)


def test_a_tilde_is_the_home_folder_wherever_a_path_is_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))  # Windows
    make(tmp_path / "data", {f"MNIST/raw/{name}": content for name, content in small_mnist().items()})
    make(tmp_path / "photos.zip", {"0.png": png(7)})
    assert len(load("mnist", root="~/data")) == 30
    monkeypatch.setenv("TGAN_DATA", "~/data")
    assert len(load("mnist")) == 30
    monkeypatch.delenv("TGAN_DATA")
    monkeypatch.setenv("TGAN_CACHE", "~/data")
    assert len(load("mnist", download=False)) == 30
    for path in ("~/photos.zip", Path("~/photos.zip")):
        assert load(path).name == "photos"
    with pytest.raises(ValueError, match=r"~nobody-of-this-name.*no such home folder"):
        load("~nobody-of-this-name/photos")


@pytest.mark.parametrize("name", ["mnist", "cifar10", "omniglot", "glyphs"])
def test_no_named_set_has_a_validation_part(name: str) -> None:
    for split in ("val", "Validation"):
        with pytest.raises(ValueError, match=rf"{name} has no 'val' part; hold some images out"):
            load(name, split=split)
    with pytest.raises(ValueError, match="no split named 'dev'; known: test, train, val"):
        load(name, split="dev")


@pytest.mark.skipif(
    not REAL_DATA or not Path(REAL_DATA, "MNIST", "raw").is_dir(),
    reason="TGAN_DATA names no folder with MNIST in it",
)
def test_real_mnist() -> None:
    images = load("mnist", root=REAL_DATA)
    assert images.data.shape == (60_000, 1, 28, 28)
    assert images.labels is not None
    assert images.labels[:5].tolist() == [5, 0, 4, 1, 9]
    assert images.data.float().mean().item() / 255 == pytest.approx(0.1307, abs=1e-4)
