"""Tiny image sets in the layouts of the published ones, and folders and zips of images: what the tests read."""

from __future__ import annotations

import io
import struct
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

CIFAR_CLASSES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]


def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No data, no cache, no proxy, no smoke."""
    monkeypatch.delenv("TGAN_DATA", raising=False)
    monkeypatch.setenv("TGAN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TGAN_BUDGET", "cpu")
    monkeypatch.setenv("no_proxy", "*")


def one_sentence(error: BaseException) -> str:
    """The message, having made sure that it is a single line that a reader can take in."""
    text = str(error)
    assert text
    assert "\n" not in text
    assert "Traceback" not in text
    return text


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


def picture(pixels: np.ndarray, kind: str = "PNG", mode: str | None = None) -> bytes:
    out = io.BytesIO()
    image = Image.fromarray(pixels)
    (image.convert(mode) if mode else image).save(out, kind)
    return out.getvalue()


def stroke(where: int) -> np.ndarray:
    """Ink is black on white, as in Omniglot: one column of it."""
    pixels = np.full((105, 105), 255, np.uint8)
    pixels[10:90, where : where + 3] = 0
    return pixels


ALPHABETS = {"Greek": 2, "Japanese_(katakana)": 1, "Latin": 3}


def tiny_omniglot(pattern: str = "images_background/{}/character{:02d}/{}.png") -> bytes:
    """Three alphabets, two drawings of each character, one bit a pixel; a hostile name or two among them."""
    out, where = io.BytesIO(), 5
    with zipfile.ZipFile(out, "w") as archive:
        for alphabet, characters in ALPHABETS.items():
            for number in range(1, characters + 1):
                for drawer in range(2):
                    name = pattern.format(alphabet, number, f"{drawer:04d}")
                    archive.writestr(name, picture(stroke(where), mode="1"))
                    where += 4
    return out.getvalue()


def tar(files: dict[str, bytes], links: tuple[str, ...] = ()) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name in links:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
            archive.addfile(info)
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def tiny_cifar(n: int = 4) -> tuple[dict[str, bytes], np.ndarray, np.ndarray]:
    """The members of a binary CIFAR-10 of 6n images, its pixels and its labels; the test batch comes last."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (6 * n, 3, 32, 32), dtype=np.uint8)
    labels = (np.arange(6 * n) * 7 % 10).astype(np.uint8)
    records = np.concatenate([labels[:, None], pixels.reshape(6 * n, -1)], axis=1)
    names = [f"data_batch_{i}" for i in range(1, 6)] + ["test_batch"]
    files = {
        f"cifar-10-batches-bin/{name}.bin": records[i * n : (i + 1) * n].tobytes()
        for i, name in enumerate(names)
    }
    return {"cifar-10-batches-bin/readme.html": b"<html>"} | files, pixels, labels


FLOWER_LABELS = np.array([1, 1, 2, 102, 2, 1, 2, 102, 5])  # of photographs 1 to 9
FLOWER_PARTS = {"trnid": [8, 1, 3], "valid": [2], "tstid": [9, 4, 5, 6, 7]}


def tiny_flowers() -> dict[str, bytes]:
    """Nine photographs of nine sizes, each of one colour, 20 times its number; and the two MATLAB files."""
    photos = {
        f"jpg/image_{i:05d}.jpg": picture(np.full((20 + i, 40 - i, 3), 20 * i, np.uint8), "JPEG")
        for i in range(1, 10)
    }
    files = {"102flowers.tgz": tar(dict(reversed(photos.items())))}  # members in no particular order
    for name, content in (
        ("imagelabels.mat", {"labels": FLOWER_LABELS[None].astype(np.uint8)}),
        ("setid.mat", {k: np.array([v], dtype=np.uint16) for k, v in FLOWER_PARTS.items()}),
    ):
        out = io.BytesIO()
        savemat(out, content)
        files[name] = out.getvalue()
    return files


def everything_below(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())
