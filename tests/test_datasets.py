"""Omniglot, CIFAR-10 and Flowers-102 from tiny archives and a misbehaving server."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import real_data
import torch
from tiny_sets import (
    CIFAR_CLASSES,
    FLOWER_LABELS,
    alone,
    make,
    one_sentence,
    picture,
    stroke,
    tar,
    tiny_cifar,
    tiny_flowers,
    tiny_omniglot,
)

from tgan_lib.data import load, reading


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder that TGAN_DATA names."""
    alone(monkeypatch, tmp_path)
    monkeypatch.setenv("TGAN_DATA", str(tmp_path / "data"))
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


# ---- Omniglot ----


@pytest.mark.parametrize(
    ("path", "pattern", "source"),
    [
        (
            "omniglot-py/images_background.zip",
            "images_background/{}/character{:02d}/{}.png",
            "the files of Omniglot",
        ),
        (
            "omniglot-small.zip",
            "omniglot-small/{}_character{:02d}/{}.png",
            "omniglot-small.zip, some of Omniglot's alphabets",
        ),
    ],
)
def test_omniglot_is_white_on_black_and_a_character_is_a_class(
    path: str, pattern: str, source: str, home: Path
) -> None:
    make(home, {path: tiny_omniglot(pattern)})
    images = load("omniglot", device="cpu")
    assert images.data.shape == (12, 1, 105, 105)
    assert images.data.float().mean() / 255 == pytest.approx(80 * 3 / 105**2)
    assert torch.equal(images.data[0, 0], torch.from_numpy(255 - stroke(5)))
    assert images.labels is not None
    assert images.labels.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    assert images.class_names[0] == "Greek_character01"
    assert images.class_names[-1] == "Latin_character03"
    assert (images.name, images.source) == ("omniglot", source)
    assert load("omniglot", size=28, channels=3, device="cpu").data.shape == (12, 3, 28, 28)
    assert load("omniglot", size=28, device="cpu").data.float().mean() / 255 == pytest.approx(
        80 * 3 / 105**2,
        rel=0.1,  # what bicubic would make blacker than black is cut off
    )


def test_some_alphabets_of_omniglot(home: Path) -> None:
    make(home, {"omniglot-py/images_background.zip": tiny_omniglot()})
    whole = load("omniglot", device="cpu")
    some = load("omniglot:latin, Greek", device="cpu")
    assert some.labels is not None
    assert some.labels.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    assert {name.split("_")[0] for name in some.class_names} == {"Greek", "Latin"}
    assert torch.equal(some.data, whole.data[[0, 1, 2, 3, 6, 7, 8, 9, 10, 11]])
    assert some.name == "omniglot:latin, Greek"
    assert len(load("Omniglot:Japanese_katakana", device="cpu")) == 2
    assert len(load("omniglot:Latin", limit=3, device="cpu")) == 3
    with pytest.raises(ValueError, match=r"no alphabet in images_background\.zip named 'Greak' .*'Greek'"):
        load("omniglot:Greak", device="cpu")
    with pytest.raises(ValueError, match="only omniglot has parts"):
        load("mnist:3")
    with pytest.raises(FileNotFoundError, match="images_evaluation"):
        load("omniglot", split="test")
    make(
        home,
        {"omniglot-py/images_evaluation.zip": tiny_omniglot("images_evaluation/X{}/character{:02d}/{}.png")},
    )
    assert load("omniglot", split="test", device="cpu").class_names[0] == "XGreek_character01"


# ---- CIFAR-10 ----


def test_cifar10_is_read_from_the_binary_archive(home: Path) -> None:
    files, pixels, labels = tiny_cifar()
    make(home, {"cifar-10-binary.tar.gz": tar(files)})
    images = load("cifar10", device="cpu")
    assert np.array_equal(images.data.numpy(), pixels[:20])
    assert images.labels is not None
    assert images.labels.tolist() == labels[:20].tolist()
    assert images.labels.dtype == torch.int64
    assert list(images.class_names) == CIFAR_CLASSES
    assert images.source == "the files of CIFAR-10"
    assert np.array_equal(load("cifar10", split="test", device="cpu").data.numpy(), pixels[20:])
    few = load("cifar10", limit=5, device="cpu")
    assert len(few) == 5
    assert torch.equal(few.data, load("cifar10", limit=5, device="cpu").data)
    assert load("cifar10", size=16, channels=1, device="cpu").data.shape == (20, 1, 16, 16)


def test_the_jpeg_copy_of_cifar10_says_what_it_is_and_the_real_one_comes_first(home: Path) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for i, name in enumerate(CIFAR_CLASSES):
            archive.writestr(
                f"cifar10-jpeg/test/{name}/0000.jpg", picture(np.full((32, 32, 3), 20 * i, np.uint8), "JPEG")
            )
    make(home, {"cifar10-jpeg-test.zip": out.getvalue()})
    images = load("cifar10", split="test", device="cpu")
    assert images.data[:, 0, 0, 0].tolist() == [20 * i for i in range(10)]
    assert images.labels is not None
    assert images.labels.tolist() == list(range(10))
    assert list(images.class_names) == CIFAR_CLASSES
    assert "JPEG copy of CIFAR-10" in repr(images)
    assert "not comparable" in repr(images)
    with pytest.raises(FileNotFoundError, match=r"CIFAR-10 is not in .*cifar-10-binary\.tar\.gz"):
        load("cifar10")
    make(home, {"cifar-10-binary.tar.gz": tar(tiny_cifar()[0])})
    assert load("cifar10", split="test", device="cpu").source == "the files of CIFAR-10"


def changed(name: str, content: bytes | None) -> Callable[[dict[str, bytes]], bytes]:
    """A tar.gz of the files with one of them changed, or left out."""

    def make(files: dict[str, bytes]) -> bytes:
        files = {k: v for k, v in files.items() if k != name or content is not None}
        return tar(files | ({} if content is None else {name: content}))

    return make


BATCH = "cifar-10-batches-bin/data_batch_3.bin"


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (changed(BATCH, None), "holds no cifar-10-batches-bin/data_batch_3.bin"),
        (changed(BATCH, bytes(3072)), "is not the binary version"),
        (changed(BATCH, bytes([10]) + bytes(3072)), "is not the binary version"),
        (lambda files: tar(files)[:2000], "cannot be read as a tar.gz"),
        (lambda files: b"<html>sign in to the network</html>", "cannot be read as a tar.gz"),
        (lambda files: b"", "cannot be read as a tar.gz"),
        (lambda files: tar({k: v for k, v in files.items() if k != BATCH}, links=(BATCH,)), "holds no"),
    ],
)
def test_a_damaged_cifar10_archive_is_named(
    damage: Callable[[dict[str, bytes]], bytes], message: str, home: Path
) -> None:
    make(home, {"cifar-10-binary.tar.gz": damage(tiny_cifar()[0])})
    with pytest.raises(
        ValueError, match=rf"cifar-10-binary\.tar\.gz {message}.*delete it and load again"
    ) as e:
        load("cifar10")
    one_sentence(e.value)


def test_a_member_that_unpacks_to_too_much_is_refused(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(home, {"cifar-10-binary.tar.gz": tar(tiny_cifar()[0])})
    monkeypatch.setattr(reading, "MAX_FILE_BYTES", 2**10)
    with pytest.raises(ValueError, match="unpacks to more than"):
        load("cifar10")


# ---- Flowers-102 ----


def test_flowers102_has_its_parts_labels_and_squares(home: Path) -> None:
    make(home, {f"flowers-102/{name}": content for name, content in tiny_flowers().items()})
    train, test = (load("flowers102", size=16, split=s, device="cpu") for s in ("train", "test"))
    for images, ids in ((train, [1, 2, 3, 8]), (test, [4, 5, 6, 7, 9])):
        assert images.data.shape == (len(ids), 3, 16, 16)
        colours = images.data.float().flatten(1).mean(1)
        assert torch.allclose(colours, torch.tensor([20.0 * i for i in ids]), atol=1.5)
        assert images.labels is not None
        assert images.labels.tolist() == [FLOWER_LABELS[i - 1] - 1 for i in ids]
        assert len(images.class_names) == 102
        assert images.class_names[0] == "pink primrose"
    assert train.labels is not None
    by_colour = {int(x[0, 0, 0]): int(y) for x, y in zip(train.data, train.labels, strict=True)}
    for limit in (1, 2, 3):
        few = load("flowers102", size=16, limit=limit, device="cpu")
        assert few.labels is not None
        assert few.labels.tolist() == [by_colour[int(x[0, 0, 0])] for x in few.data]
        assert len(few) == limit
    with pytest.raises(ValueError, match=r"flowers102 has photographs of many sizes; pass size="):
        load("flowers102")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("setid.mat", b"not MATLAB", "cannot be read as Flowers-102's"),
        ("imagelabels.mat", b"", "cannot be read as Flowers-102's"),
        ("102flowers.tgz", tar({}), "holds no jpg/image_00001.jpg"),
    ],
    ids=["splits", "labels", "pictures"],  # an archive's bytes hold the time
)
def test_damaged_flowers_are_named(name: str, content: bytes, message: str, home: Path) -> None:
    make(home, {f"flowers-102/{k}": v for k, v in (tiny_flowers() | {name: content}).items()})
    with pytest.raises(ValueError, match=rf"{name}.*{message}|{message}.*{name}|{message}") as caught:
        load("flowers102", size=16)
    assert "load again" in one_sentence(caught.value)


# ---- The real ones ----


def test_real_omniglot() -> None:
    images = real_data.omniglot("Latin,Greek", size=28)
    assert images.data.shape == (1000, 1, 28, 28)
    assert images.labels.bincount().tolist() == [20] * 50
    assert sum(name.startswith("Latin_") for name in images.class_names) == 26
    assert 0.05 < images.data.float().mean() / 255 < 0.12  # thin white strokes on black


def test_real_cifar10() -> None:
    images = real_data.cifar10("test", limit=2000)
    assert images.data.shape == (2000, 3, 32, 32)
    assert list(images.class_names) == CIFAR_CLASSES
    means = images.data.float().mean((0, 2, 3)) / 255
    assert torch.allclose(means, torch.tensor([0.4914, 0.4822, 0.4465]), atol=0.02)
    assert min(images.labels.bincount().tolist()) > 100
