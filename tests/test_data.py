"""Images, samplers, folders, zips, downloads: exact where they work, a plain sentence where they do not."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import struct
import threading
import zipfile
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
import torch
from bad_server import BadServer, refused_port
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from tgan_lib.data import (
    DownloadError,
    Images,
    Sampler,
    datasets,
    download,
    load,
    reading,
    resize,
    to_channels,
    to_float,
    to_uint8,
)
from tgan_lib.data.download import fetch, fetch_idx

REAL_DATA = os.environ.get("TGAN_DATA")  # read before the tests take it away


@pytest.fixture(autouse=True)
def _nothing_of_this_computer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No data, no cache, no proxy, no smoke: each test says what it has."""
    monkeypatch.delenv("TGAN_DATA", raising=False)
    monkeypatch.setenv("TGAN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TGAN_BUDGET", "cpu")
    monkeypatch.setenv("no_proxy", "*")


@pytest.fixture
def server() -> Iterator[BadServer]:
    with BadServer() as server:
        yield server


def one_sentence(error: BaseException) -> str:
    """The message, having made sure that it is a single line that a reader can take in."""
    text = str(error)
    assert text
    assert "\n" not in text
    assert "Traceback" not in text
    return text


def some_images(n: int = 50, channels: int = 1, size: int = 8) -> Images:
    rng = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (n, channels, size, size), dtype=torch.uint8, generator=rng)
    return Images(pixels, torch.arange(n) % 3, ("a", "b", "c"))


# ---- Images and pixels ----


def test_a_batch_is_exactly_x_over_127_5_minus_1() -> None:
    every_byte = torch.arange(256, dtype=torch.uint8).view(256, 1, 1, 1)
    batch = Images(every_byte).batch(torch.arange(256))
    assert torch.equal(batch, every_byte.float() / 127.5 - 1)
    assert batch.min() == -1
    assert batch.max() == 1
    assert torch.equal(to_uint8(to_float(every_byte)), every_byte)


def test_batch_and_subset_follow_their_indices() -> None:
    images = some_images()
    chosen = [7, 3, 3]
    assert torch.equal(images.batch(chosen), to_float(images.data[[7, 3, 3]]))
    subset = images.subset(chosen)
    assert len(subset) == 3
    assert subset.labels is not None
    assert subset.labels.tolist() == [1, 0, 0]
    assert torch.equal(subset.data, images.data[[7, 3, 3]])
    assert subset.class_names == images.class_names


def test_mirrored_indices_are_the_images_seen_in_a_mirror() -> None:
    images = some_images(5, channels=3)
    both = images.batch(torch.tensor([2, 5 + 2]), mirror=True)
    assert torch.equal(both[0], to_float(images.data[2]))
    assert torch.equal(both[1], both[0].flip(-1))


def test_batches_go_on_from_a_restored_sampler() -> None:
    images = some_images()
    sampler = Sampler(len(images), 8, seed=3)
    batches = images.batches(8, sampler=sampler)
    for _ in range(9):
        next(batches)
    state = sampler.state_dict()
    after = [next(batches) for _ in range(10)]
    again = Sampler(len(images), 8, seed=99)
    again.load_state_dict(state)
    restored = images.batches(8, sampler=again)
    assert all(torch.equal(a, next(restored)) for a in after)


@pytest.mark.parametrize(
    ("pixels", "message"),
    [
        (torch.zeros(2, 1, 8, 8), "float32"),
        (torch.zeros(2, 2, 8, 8, dtype=torch.uint8), r"\(2, 2, 8, 8\)"),
        (torch.zeros(2, 1, 8, 9, dtype=torch.uint8), r"\(2, 1, 8, 9\)"),
        (torch.zeros(8, 8, dtype=torch.uint8), r"\(8, 8\)"),
    ],
)
def test_images_of_another_form_are_refused(pixels: torch.Tensor, message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        Images(pixels)
    one_sentence(caught.value)


def test_to_uint8_refuses_what_is_not_in_range() -> None:
    with pytest.raises(ValueError, match=r"from 0 to 255; floats in \[-1, 1\]"):
        to_uint8(torch.tensor([0.0, 255.0]))
    with pytest.raises(ValueError, match="nan"):
        to_uint8(torch.tensor([0.0, float("nan")]))
    with pytest.raises(ValueError, match="uint8 images; floats"):
        to_uint8(torch.zeros(3, dtype=torch.uint8))
    with pytest.raises(ValueError, match="float32 images; uint8"):
        to_float(torch.zeros(3))
    assert to_uint8(torch.tensor([-1.0005, 1.0005])).tolist() == [0, 255]


def test_grey_and_colour() -> None:
    grey = some_images().data
    colour = to_channels(grey, 3)
    assert colour.shape == (50, 3, 8, 8)
    assert torch.equal(colour[:, 0], colour[:, 2])
    assert torch.equal(to_channels(colour, 1), grey)
    pixels = some_images(20, channels=3).data
    ours = to_channels(pixels, 1)[:, 0].numpy().astype(int)
    pillow = [np.asarray(Image.fromarray(p.permute(1, 2, 0).numpy()).convert("L")) for p in pixels]
    assert np.abs(ours - np.stack(pillow)).max() <= 1
    with pytest.raises(ValueError, match="channels is 4; 1"):
        to_channels(pixels, 4)


@pytest.mark.parametrize("size", [7, 28, 33, 64])
def test_resizing_keeps_constant_images_and_means(size: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tgan_lib.data.pixels.CHUNK", 3)  # several chunks, the last one partial
    constant = torch.arange(0, 256, 51, dtype=torch.uint8).view(-1, 1, 1, 1).repeat(1, 3, 28, 28)
    assert torch.equal(resize(constant, size), constant[..., :1, :1].expand(-1, -1, size, size))
    smooth = (torch.linspace(0, 250, 28).expand(4, 1, 28, 28)).byte()
    assert resize(smooth, size).float().mean() == pytest.approx(smooth.float().mean().item(), abs=1)


def test_resizing_down_is_antialiased() -> None:
    """A pixel of the small image is a mean of sixteen or more, so noise shrinks to a quarter or less."""
    noise = some_images(4, size=64).data
    assert resize(noise, 16).float().std() < 0.27 * noise.float().std()


# ---- Sampler ----


def test_a_restored_sampler_gives_the_same_next_50_batches(tmp_path: Path) -> None:
    sampler = Sampler(1000, 64, seed=1)
    for _ in range(37):  # in the middle of the third epoch
        sampler.next()
    torch.save(sampler.state_dict(), tmp_path / "state.pt")
    after = [sampler.next() for _ in range(50)]
    again = Sampler(1000, 64, seed=2)
    again.load_state_dict(torch.load(tmp_path / "state.pt", weights_only=True))
    assert all(torch.equal(a, again.next()) for a in after)


@settings(deadline=None, max_examples=60)
@given(
    n=st.integers(1, 70), batch_size=st.integers(1, 90), seed=st.integers(0, 2**31), steps=st.integers(0, 25)
)
def test_every_epoch_covers_and_every_state_restores(n: int, batch_size: int, seed: int, steps: int) -> None:
    sampler = Sampler(n, batch_size, seed=seed)
    per_epoch = max(1, n // batch_size)
    for _ in range(3):
        epoch = torch.cat([sampler.next() for _ in range(per_epoch)])
        counts = epoch.bincount(minlength=n)
        assert len(counts) == n
        assert counts.max() - counts.min() <= 1
        if n >= batch_size:
            assert counts.max() == 1
            assert counts.sum() == n - n % batch_size
    for _ in range(steps):
        sampler.next()
    state = sampler.state_dict()
    after = [sampler.next() for _ in range(2 * per_epoch + 1)]
    again = Sampler(n, batch_size, seed=seed + 1)
    again.load_state_dict(state)
    assert all(torch.equal(a, again.next()) for a in after)


def test_sampler_seeds_differ_and_leave_the_global_state_alone() -> None:
    before = torch.get_rng_state()
    a, b, c = Sampler(100, 100, seed=0), Sampler(100, 100, seed=0), Sampler(100, 100, seed=1)
    first = a.next()
    assert torch.equal(first, b.next())
    assert not torch.equal(first, c.next())
    assert not torch.equal(first, a.next())
    assert torch.equal(before, torch.get_rng_state())


def test_a_sampler_refuses_a_state_that_is_not_its_own() -> None:
    state = Sampler(100, 10).state_dict()
    with pytest.raises(ValueError, match="has n 100, this one 90"):
        Sampler(90, 10).load_state_dict(state)
    with pytest.raises(ValueError, match="has batch_size 10, this one 20"):
        Sampler(100, 20).load_state_dict(state)
    with pytest.raises(ValueError, match="n is 0"):
        Sampler(0, 10)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")
def test_batches_on_a_gpu_equal_those_of_the_cpu_and_wait_for_nothing() -> None:
    images = some_images(200, channels=3)
    on_gpu = images.to("cuda")
    here, there = Sampler(400, 16, seed=4), Sampler(400, 16, seed=4, device="cuda")
    on_gpu.batch(there.next(), mirror=True)
    images.batch(here.next(), mirror=True)
    torch.cuda.set_sync_debug_mode("error")
    try:
        batches = [on_gpu.batch(there.next(), mirror=True) for _ in range(60)]
    finally:
        torch.cuda.set_sync_debug_mode("default")
    for batch in batches:
        assert torch.equal(batch.cpu(), images.batch(here.next(), mirror=True))


# ---- Folders and zips ----


def png(colour: tuple[int, ...] | int, size: tuple[int, int] = (8, 8), kind: str = "PNG") -> bytes:
    mode = "L" if isinstance(colour, int) else {3: "RGB", 4: "RGBA"}[len(colour)]
    out = io.BytesIO()
    Image.new(mode, size, colour).save(out, kind)
    return out.getvalue()


def make(where: Path, files: dict[str, bytes]) -> Path:
    """A folder of files, or a zip of them when `where` ends in .zip."""
    if where.suffix == ".zip":
        with zipfile.ZipFile(where, "w") as archive:
            for name, content in files.items():
                archive.writestr(name, content)
        return where
    for name, content in files.items():
        (where / name).parent.mkdir(parents=True, exist_ok=True)
        (where / name).write_bytes(content)
    where.mkdir(exist_ok=True)
    return where


@pytest.mark.parametrize("where", ["set", "set.zip"])
def test_a_class_per_folder(where: str, tmp_path: Path) -> None:
    files = {f"top/deep/{c}/{i}.png": png(40 * i + (c == "dog")) for c in ("cat", "dog") for i in range(3)}
    clutter = {"__MACOSX/top/deep/cat/._0.png": b"x", "top/.hidden.png": b"x", "top/deep/cat/notes.txt": b"x"}
    images = load(make(tmp_path / where, files | clutter))
    assert images.data[:, 0, 0, 0].tolist() == [0, 40, 80, 1, 41, 81]
    assert images.labels is not None
    assert images.labels.tolist() == [0, 0, 0, 1, 1, 1]
    assert images.class_names == ("cat", "dog")
    assert images.name == "set"
    assert str(tmp_path) not in repr(images)


@pytest.mark.parametrize("where", ["set", "set.zip"])
def test_flat_images_have_no_labels_and_splits_are_picked(where: str, tmp_path: Path) -> None:
    flat = load(make(tmp_path / where, {f"{i}.png": png((i, 2, 3)) for i in range(4)}))
    assert flat.labels is None
    assert flat.data.shape == (4, 3, 8, 8)
    files = {f"s/{part}/{c}/0.png": png(ord(c)) for part in ("train", "test") for c in "ab"}
    files["s/test/b/1.png"] = png(7)
    split = make(tmp_path / f"split-{where}", files)
    assert len(load(split)) == 2
    test = load(split, split="test")
    assert test.class_names == ("a", "b")
    assert test.data[:, 0, 0, 0].tolist() == [97, 98, 7]


def test_pixels_are_pillows_and_thousands_keep_their_order(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    kept = rng.integers(0, 256, (600, 6, 6, 3), dtype=np.uint8)
    files = {}
    for i, pixels in enumerate(kept):
        out = io.BytesIO()
        Image.fromarray(pixels).save(out, "PNG")
        files[f"{i:04d}.png"] = out.getvalue()
    images = load(make(tmp_path / "many.zip", files))
    assert np.array_equal(images.data.permute(0, 2, 3, 1).numpy(), kept)
    some = load(tmp_path / "many.zip", limit=10)
    assert torch.equal(some.data, load(tmp_path / "many.zip", limit=10).data)
    assert len({tuple(x.flatten().tolist()) for x in some.data}) == 10


def test_crops_resizes_modes_and_orientation(tmp_path: Path) -> None:
    wide = np.zeros((10, 30, 3), np.uint8)
    wide[:, 10:20] = 200  # the middle square
    Image.fromarray(wide).save(tmp_path / "wide.png")
    assert load(tmp_path, size=5).data.unique().tolist() == [200]
    assert load(tmp_path).data.shape == (1, 3, 10, 10)
    assert load(tmp_path, channels=1).data.shape == (1, 1, 10, 10)
    (tmp_path / "wide.png").unlink()

    (tmp_path / "clear.png").write_bytes(png((9, 9, 9, 0)))
    assert load(tmp_path).data.unique().tolist() == [255]  # transparent is white
    (tmp_path / "clear.png").unlink()

    turned = Image.new("L", (8, 8))
    turned.paste(255, (0, 0, 4, 8))
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: what is left is shown on top
    turned.save(tmp_path / "turned.png", exif=exif)
    image = load(tmp_path).data[0, 0]
    assert image[:4].min() == 255
    assert image[4:].max() == 0


def test_grey_among_colour_becomes_colour_but_colour_is_not_lost_unasked(tmp_path: Path) -> None:
    load_me = make(tmp_path / "a", {"0.png": png((1, 2, 3)), "1.png": png(5)})
    assert load(load_me).data[1].unique().tolist() == [5]
    mixed = make(tmp_path / "b", {"0.png": png(5), "1.png": png((1, 2, 3))})
    with pytest.raises(ValueError, match=r"mixes grey and colour .*pass channels=1 or channels=3"):
        load(mixed)
    assert load(mixed, channels=3).data.shape == (2, 3, 8, 8)


GOOD = png((10, 20, 30), (32, 32))


@pytest.mark.parametrize("where", ["set", "set.zip"])
@pytest.mark.parametrize(
    ("files", "arguments", "message"),
    [
        ({}, {}, "holds no images"),
        ({"a.txt": b"words"}, {}, "holds no images"),
        (
            {"a.png": GOOD, "bad.png": b"these are not pixels"},
            {},
            r"^bad\.png in .* cannot be read as an image",
        ),
        (
            {"a.png": GOOD, "cut.png": GOOD[: len(GOOD) // 2]},
            {},
            r"^cut\.png in .* cannot be read as an image",
        ),
        ({"a.png": GOOD, "none.png": b""}, {}, r"^none\.png in .* cannot be read as an image"),
        (
            {"a.png": GOOD, "b.png": png((1, 1, 1), (9, 9))},
            {},
            r"b\.png in .* is 9 pixels .* a\.png is 32; pass size=",
        ),
        ({"a.png": GOOD}, {"channels": 4}, "channels is 4; 1"),
        ({"a.png": GOOD}, {"size": 0}, "size is 0"),
        ({"a.png": GOOD}, {"limit": 0}, "limit is 0"),
        ({"a.png": GOOD}, {"split": "tests"}, "did you mean 'test'"),
    ],
)
def test_bad_folders_and_zips(files: dict, arguments: dict, message: str, where: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        load(make(tmp_path / where, files), **arguments)
    one_sentence(caught.value)


def test_what_unfolds_to_gigabytes_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading, "MAX_PIXELS", 1000)
    with pytest.raises(ValueError, match=r"huge\.png .* 40x40 pixels; at most"):
        load(make(tmp_path / "a.zip", {"huge.png": png(0, (40, 40))}))
    monkeypatch.setattr(reading, "MAX_FILE_BYTES", 100)
    with pytest.raises(ValueError, match=r"big\.png .* unpacks to more than"):
        load(make(tmp_path / "b.zip", {"big.png": GOOD + bytes(100)}))
    monkeypatch.setattr(reading, "MAX_ARRAY_BYTES", 100)
    with pytest.raises(ValueError, match=r"2 images of 9 pixels would take .* pass size="):
        load(make(tmp_path / "c", {f"{i}.png": png(0, (9, 9)) for i in range(2)}))


def test_a_file_that_is_no_zip_and_a_zip_with_a_damaged_member(tmp_path: Path) -> None:
    (tmp_path / "page.zip").write_bytes(b"<html>sign in to the network</html>")
    with pytest.raises(ValueError, match=r"page\.zip cannot be read as a zip") as caught:
        load(tmp_path / "page.zip")
    one_sentence(caught.value)
    path = make(tmp_path / "damaged.zip", {"a.png": GOOD, "b.png": GOOD})
    raw = bytearray(path.read_bytes())
    raw[raw.rindex(b"IDAT") + 10] ^= 255
    path.write_bytes(raw)
    with pytest.raises(ValueError, match=r"b\.png in .*damaged\.zip cannot be read as an image") as caught:
        load(path)
    one_sentence(caught.value)


@pytest.mark.parametrize(
    ("name", "kind", "message"),
    [
        ("minst", ValueError, "did you mean 'mnist'"),
        ("glyphs:digit", ValueError, "did you mean 'digits'"),
        ("no/such/folder", FileNotFoundError, "there is no 'no/such/folder'"),
        ("photos.zip", FileNotFoundError, "there is no 'photos.zip'"),
    ],
)
def test_unknown_names_and_paths(name: str, kind: type[Exception], message: str) -> None:
    with pytest.raises(kind, match=message) as caught:
        load(name)
    one_sentence(caught.value)


# ---- Named sets ----


def idx(array: np.ndarray) -> bytes:
    return struct.pack(f">BBBB{array.ndim}I", 0, 0, 8, array.ndim, *array.shape) + array.tobytes()


def small_mnist(n: int = 30) -> dict[str, bytes]:
    """The four files of a tiny set in MNIST's format."""
    rng = np.random.default_rng(0)
    files = {}
    for prefix, count in (("train", n), ("t10k", n // 2)):
        files[f"{prefix}-images-idx3-ubyte"] = idx(rng.integers(0, 256, (count, 28, 28), dtype=np.uint8))
        files[f"{prefix}-labels-idx1-ubyte"] = idx((np.arange(count) % 10).astype(np.uint8))
    return files


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
    monkeypatch.setattr(datasets, "fetch_idx", lambda *a, **k: pytest.fail("a smoke run must not download"))
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


def test_mnist_files_are_fetched_unpacked_and_then_left_alone(server: BadServer, tmp_path: Path) -> None:
    files = small_mnist()
    resources = []
    for name, content in files.items():
        packed = gzip.compress(content)
        server.put(f"{name}.gz", packed)
        resources.append((f"{name}.gz", hashlib.md5(packed).hexdigest()))
    raw = tmp_path / "cache" / "MNIST" / "raw"
    fetch_idx(raw, [server.url("nowhere"), server.url("")], resources)
    assert {name: (raw / name).read_bytes() for name in files} == files
    assert len(load("mnist")) == 30
    asked = len(server.log)
    fetch_idx(raw, [server.url("")], resources)
    assert len(server.log) == asked
    assert not list(raw.glob("*.part"))


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


# ---- fetch ----

CONTENT = bytes(range(256)) * 1000
MD5 = hashlib.md5(CONTENT).hexdigest()
SHA256 = hashlib.sha256(CONTENT).hexdigest()


def test_fetch_gives_the_right_bytes_once(server: BadServer, tmp_path: Path) -> None:
    url = server.put("file", CONTENT)
    path = fetch(url, tmp_path / "new" / "file", sha256=SHA256, md5=MD5.upper())
    assert path.read_bytes() == CONTENT
    fetch(url, path, md5=MD5)
    assert len(server.log) == 1
    assert not path.with_name("file.part").exists()


@pytest.mark.parametrize(
    ("manner", "message"),
    [
        ("404", "answered 404"),
        ("stall", "sent nothing for 0.2 seconds"),
        ("truncate", "broke off after"),
        ("wrong", f"MD5 .* where {MD5} is right; it was deleted"),
        ("wrong-truncate-once", f"MD5 .* where {MD5} is right; it was deleted"),
        ("reset", "127.0.0.1"),
    ],
)
def test_fetch_says_what_went_wrong_and_makes_no_file(
    manner: str, message: str, server: BadServer, tmp_path: Path
) -> None:
    url = server.put("file", CONTENT, manner)
    with pytest.raises(DownloadError, match=message) as caught:
        fetch(url, tmp_path / "file", md5=MD5, timeout=0.2)
    one_sentence(caught.value)
    assert not (tmp_path / "file").exists()
    if manner.startswith("wrong"):
        assert not (tmp_path / "file.part").exists()
    server.manners["file"] = "good"  # and the next try is none the worse for it
    assert fetch(url, tmp_path / "file", md5=MD5).read_bytes() == CONTENT


def test_a_broken_download_goes_on_where_it_broke(server: BadServer, tmp_path: Path) -> None:
    url = server.put("file", CONTENT, "truncate-once")
    assert fetch(url, tmp_path / "file", md5=MD5).read_bytes() == CONTENT
    assert server.log == [("file", None), ("file", f"bytes={len(CONTENT) // 2}-")]


@pytest.mark.parametrize("manner", ["stall", "truncate"])
def test_a_server_that_breaks_off_for_ever_is_given_up_after_a_few_tries(
    manner: str, server: BadServer, tmp_path: Path
) -> None:
    with pytest.raises(DownloadError):
        fetch(server.put("file", CONTENT, manner), tmp_path / "file", md5=MD5, timeout=0.1)
    assert len(server.log) == download.TRIES


@pytest.mark.parametrize("manner", ["good", "no-range"])
@pytest.mark.parametrize(
    "part",
    [CONTENT[:1000], CONTENT, CONTENT + b"more", b"another file's beginning", b"x" * len(CONTENT)],
    ids=["begun", "whole", "too-long", "other", "other-whole"],
)
def test_any_part_left_behind_ends_in_the_right_file(
    part: bytes, manner: str, server: BadServer, tmp_path: Path
) -> None:
    (tmp_path / "file.part").write_bytes(part)
    url = server.put("file", CONTENT, manner)
    assert fetch(url, tmp_path / "file", md5=MD5).read_bytes() == CONTENT
    assert not (tmp_path / "file.part").exists()
    if manner == "good" and part == CONTENT[:1000]:
        assert server.log == [("file", "bytes=1000-")]


def test_mirrors_are_tried_in_turn_and_all_are_named(server: BadServer, tmp_path: Path) -> None:
    nobody = f"http://127.0.0.1:{refused_port()}/file"
    wrong, broken = server.put("wrong", CONTENT, "wrong"), server.put("broken", CONTENT, "truncate")
    with pytest.raises(DownloadError) as caught:
        fetch([nobody, wrong, broken], tmp_path / "file", md5=MD5)
    text = one_sentence(caught.value)
    assert "could not be reached" in text
    assert "is right; it was deleted" in text
    assert "broke off" in text
    good = server.put("good", CONTENT)
    assert fetch([nobody, wrong, broken, good], tmp_path / "file", md5=MD5).read_bytes() == CONTENT


def test_two_at_once_download_once(server: BadServer, tmp_path: Path) -> None:
    url = server.put("file", CONTENT)
    threads = [
        threading.Thread(target=fetch, args=(url, tmp_path / "file"), kwargs={"md5": MD5}) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (tmp_path / "file").read_bytes() == CONTENT
    assert len(server.log) == 1


def test_fetch_wants_a_hash_and_a_disk_that_takes_it(
    server: BadServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = server.put("file", CONTENT)
    with pytest.raises(ValueError, match="no hash"):
        fetch(url, tmp_path / "file")

    class FullDisk(io.BytesIO):
        def write(self, chunk: object) -> int:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(download, "_one_process", lambda folder: nullcontext())
    monkeypatch.setattr(download, "open", lambda path, mode: FullDisk(), raising=False)
    with pytest.raises(DownloadError, match=r"could not be written \(No space left on device\)"):
        fetch(url, tmp_path / "file", md5=MD5)
    assert not (tmp_path / "file").exists()
