"""Folders and zips of images: exact where they can be read, a sentence that names the file where they cannot."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from tiny_sets import alone, make, one_sentence, png

from tgan_lib.data import load, reading


@pytest.fixture(autouse=True)
def _nothing_of_this_computer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Each test says what it has."""
    alone(monkeypatch, tmp_path)


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


def saved(image: Image.Image, **options: object) -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG", **options)
    return out.getvalue()


NOISE = Image.fromarray(np.random.default_rng(0).integers(0, 256, (16, 16), dtype=np.uint8))
GREYS = {
    "grey": saved(NOISE),
    "grey and alpha": saved(NOISE.convert("LA")),
    "a transparent grey": saved(NOISE, transparency=0),
    "black and white": saved(NOISE.convert("1")),
    "a palette of greys": saved(NOISE.quantize(16)),
    "a palette of greys and transparency": saved(NOISE.quantize(16), transparency=0),
}


@pytest.mark.parametrize("first", GREYS)
def test_grey_is_grey_however_it_is_stored(first: str, tmp_path: Path) -> None:
    others = {f"1-{name}.png": content for name, content in GREYS.items()}
    images = load(make(tmp_path / "set", {"0.png": GREYS[first]} | others), device="cpu")
    assert images.data.shape == (7, 1, 16, 16)
    as_it_is = load(make(tmp_path / "one", {"0.png": GREYS["grey and alpha"]}), device="cpu").data[0, 0]
    assert np.array_equal(as_it_is.numpy(), np.asarray(NOISE))


def test_colours_of_other_kinds_become_rgb_and_what_has_none_is_named(tmp_path: Path) -> None:
    red = Image.new("RGB", (8, 8), (250, 0, 10))
    red.convert("CMYK").save(tmp_path / "cmyk.tif")
    red.quantize(4).save(tmp_path / "palette.png")
    red.convert("RGBA").save(tmp_path / "rgba.png")
    images = load(tmp_path, device="cpu")
    assert (images.data[:, :, 0, 0].int() - torch.tensor([250, 0, 10])).abs().max() <= 1
    for mode, pixels in {"I;16": np.uint16, "F": np.float32}.items():
        path = tmp_path / "zz.tif"
        Image.fromarray(np.ones((8, 8), pixels)).save(path)
        with pytest.raises(
            ValueError, match=rf"zz\.tif in .*mode {mode}; 8 bits a channel are right"
        ) as caught:
            load(tmp_path)
        one_sentence(caught.value)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"name": None}, "name is None; the name of a data set, or a path, is right"),
        ({"name": 3}, "name is 3"),
        ({"name": b"set"}, "name is b'set'"),
        ({"size": 2.0}, "size is 2.0; a whole number"),
        ({"size": True}, "size is True"),
        ({"size": 10**6}, "size is 1000000; a whole number .* to 4096"),
        ({"limit": -1}, "limit is -1"),
        ({"limit": float("nan")}, "limit is nan"),
        ({"channels": "1"}, "channels is '1'"),
        ({"split": None}, "no split named None; known: test, train, val"),
        ({"split": ["train"]}, "no split named"),
        ({"device": "gpu"}, "device is 'gpu'"),
        ({"name": "mnist", "root": 5}, "path is 5"),
    ],
)
def test_what_is_no_argument_is_said_in_a_sentence(arguments: dict, message: str, tmp_path: Path) -> None:
    path = make(tmp_path / "set", {"0.png": GOOD})
    with pytest.raises((ValueError, TypeError), match=message) as caught:
        load(**({"name": path} | arguments))
    one_sentence(caught.value)
