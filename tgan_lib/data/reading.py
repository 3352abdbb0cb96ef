"""Bytes on disk to arrays of pixels: a folder of images, a zip of one, and MNIST's own format.

Nothing is ever unpacked to disk. Images are decoded by a few threads (Pillow lets go of Python's lock while
it decodes) straight into one uint8 array.
"""

from __future__ import annotations

import gzip
import math
import os
import struct
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from io import BytesIO
from pathlib import Path, PurePosixPath

import numpy as np
from PIL import Image, ImageOps

from .parts import pick_part

SUFFIXES = {".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm"}
MAX_PIXELS = 64_000_000  # of one image: a small file can be made to unfold to gigabytes
MAX_FILE_BYTES = 2**28  # of one file in a zip
MAX_ARRAY_BYTES = 2**35
ALPHA = ("LA", "La", "PA", "RGBA", "RGBa")  # Pillow's modes with transparency; LAB has none


class DamagedError(ValueError):
    """A file that is not what its name says: broken off, a web page, another format."""


def read_images(
    path: str | os.PathLike[str],
    *,
    size: int | None = None,
    channels: int | None = None,
    split: str | None = None,
    limit: int | None = None,
    choose: Callable[[list[str]], Collection[str]] | None = None,
) -> tuple[np.ndarray, np.ndarray | None, list[str]]:
    """Every image in a folder or zip: uint8 (N, C, size, size), labels int64 (N,) or None, and class names.

    A class is a folder, named by its path below the folder that holds all images; images that share one
    folder have no labels. `split` picks a part (see `parts.pick_part`); None takes what there is as one. Links
    are followed. Hidden files and __MACOSX are passed over. Images are turned as their camera says, laid on white
    where they are transparent, cropped to the middle square, and resized (bicubic, antialiased) when `size` is
    given; without it they must be of one size. `channels` None goes by the first image. `limit` takes that many
    at random, always the same. `choose` picks among the class names; the other classes are not decoded. Raises
    ValueError, naming the file where it is a file's fault.
    """
    path = Path(path)
    archive = None if path.is_dir() else _open_zip(path)
    try:
        where = _in_folder(path) if archive is None else _in_zip(archive)
        names = sorted(where)
        if not names:
            raise ValueError(
                f"{path} holds no images; files ending in {', '.join(sorted(SUFFIXES))} are read"
            )
        classes_of, classes = pick_part(names, split, path)
        if choose is not None:
            classes = sorted(choose(classes))
            classes_of = {name: c for name, c in classes_of.items() if c in classes}
        names = list(classes_of)
        if limit is not None and limit < len(names):
            keep = np.sort(np.random.default_rng(0).choice(len(names), limit, replace=False))
            names = [names[i] for i in keep]
        images = decode(names, lambda name: where[name](), str(path), size, channels)
    finally:
        if archive is not None:
            archive.close()
    if len(classes) < 2:
        return images, None, []
    number = {name: i for i, name in enumerate(classes)}
    return images, np.array([number[classes_of[name]] for name in names]), classes


def read_idx(path: str | os.PathLike[str]) -> np.ndarray:
    """A uint8 array from a file in MNIST's format, packed if its name ends in .gz.

    The format: 0, 0, 8, the number of axes, their lengths, the bytes.
    """
    path = Path(path)
    try:
        with gzip.open(path) if path.suffix == ".gz" else open(path, "rb") as file:
            raw = file.read()
    except (OSError, EOFError, zlib.error) as error:
        raise DamagedError(f"{path} cannot be read ({in_words(error)})") from error
    axes = raw[3] if raw[:3] == b"\0\0\x08" and len(raw) > 3 else 0
    if not axes or len(raw) < 4 + 4 * axes:
        raise DamagedError(f"{path} is not a file of MNIST's format (bytes in the IDX layout)")
    shape = struct.unpack_from(f">{axes}I", raw, 4)
    right = 4 + 4 * axes + math.prod(shape)
    if len(raw) != right:
        raise DamagedError(f"{path} has {len(raw)} bytes where its header asks for {right}")
    return np.frombuffer(raw, np.uint8, offset=4 + 4 * axes).reshape(shape).copy()


def read_tar(path: str | os.PathLike[str], names: Sequence[str]) -> dict[str, bytes]:
    """The bytes of the members `names` of a tar.gz, in the order of `names`; other members are passed over.

    Only plain files count, not links. Raises ValueError where the archive is damaged or lacks one.
    """
    missing, found = set(names), {}
    try:
        with tarfile.open(path, "r|gz") as archive:  # as a stream: its index is at no one place
            for member in archive:
                if member.name not in missing or not member.isfile():
                    continue
                if member.size > MAX_FILE_BYTES:
                    raise tarfile.ReadError(f"{member.name} unpacks to more than {MAX_FILE_BYTES >> 20} MB")
                file = archive.extractfile(member)
                assert file is not None  # it is a plain file
                found[member.name] = file.read()
                missing.discard(member.name)
                if not missing:
                    break
    except (tarfile.TarError, zlib.error, EOFError, OSError) as error:
        raise DamagedError(f"{path} cannot be read as a tar.gz ({in_words(error)})") from error
    if missing:
        raise DamagedError(f"{path} holds no {min(missing)}")
    return {name: found[name] for name in names}


def in_words(error: BaseException) -> str:
    """What an error says, on one line and without the path, which the sentence around it names."""
    said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(said.split()) or type(error).__name__


def _wanted(name: str) -> bool:
    parts = PurePosixPath(name).parts
    hidden = any(part.startswith(".") or part == "__MACOSX" for part in parts)
    return not hidden and PurePosixPath(name).suffix.lower() in SUFFIXES


def _in_folder(root: Path) -> dict[str, Callable[[], BytesIO | Path]]:
    """Every image below `root`, by its name with / between folders; links are followed, but not round in circles."""
    found: dict[str, Callable[[], BytesIO | Path]] = {}

    def look(folder: Path, above: frozenset[str]) -> None:
        real = os.path.realpath(folder)
        if real in above:
            return
        for entry in os.scandir(folder):
            path = Path(entry.path)
            name = path.relative_to(root).as_posix()
            if entry.is_dir() and not entry.name.startswith("."):
                look(path, above | {real})
            elif _wanted(name):
                found[name] = partial(Path, path)

    try:
        look(root, frozenset())
    except OSError as error:
        raise ValueError(
            f"{error.filename or root} cannot be read ({in_words(error)}); a folder that you may read is right"
        ) from error
    return found


def _in_zip(archive: zipfile.ZipFile) -> dict[str, Callable[[], BytesIO | Path]]:
    """Every image in the archive. Some programs on Windows write \\ for /; of one name the last entry counts."""
    found: dict[str, Callable[[], BytesIO | Path]] = {}
    for info in archive.infolist():
        name = info.filename.replace("\\", "/")
        if not info.is_dir() and _wanted(name):
            found[name] = partial(_member, archive, info)
    return found


def _open_zip(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except Exception as error:  # damaged headers make zipfile raise all kinds of errors
        raise DamagedError(
            f"{path} cannot be read as a zip ({in_words(error)}); a folder or zip of images is right"
        ) from error


def _member(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> BytesIO:
    if info.file_size > MAX_FILE_BYTES:
        raise ValueError(f"it unpacks to more than {MAX_FILE_BYTES >> 20} MB")
    return BytesIO(archive.read(info))


def decode(
    names: list[str],
    open_one: Callable[[str], BytesIO | Path],
    where: str,
    size: int | None,
    channels: int | None,
) -> np.ndarray:
    """Decode all files into one array (N, C, size, size); errors name the file."""

    def picture(name: str, channels: int | None) -> np.ndarray:
        try:
            return _pixels(open_one(name), size, channels)
        except Exception as error:  # Pillow raises all kinds on broken files, SyntaxError among them
            raise DamagedError(f"{name} in {where} cannot be read as an image: {in_words(error)}") from error

    first = picture(names[0], channels)
    if len(names) * first.size > MAX_ARRAY_BYTES:
        raise ValueError(
            f"{len(names)} images of {first.shape[1]} pixels would take {len(names) * first.size >> 30} GB; "
            f"pass size=, 64 for example"
        )
    out = np.empty((len(names), *first.shape), np.uint8)

    def work(i: int) -> None:
        pixels = picture(names[i], channels)
        if len(pixels) < len(first):  # grey among colour
            pixels = pixels.repeat(3, axis=0)
        if pixels.shape[1:] != first.shape[1:]:
            raise ValueError(
                f"{names[i]} in {where} is {pixels.shape[1]} pixels wide as a square and {names[0]} is "
                f"{first.shape[1]}; pass size= to bring all to one size"
            )
        if len(pixels) > len(first):
            raise ValueError(
                f"{where} mixes grey and colour ({names[0]}, {names[i]}); pass channels=1 or channels=3"
            )
        out[i] = pixels

    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        try:
            for _ in pool.map(work, range(len(names)), chunksize=64):
                pass
        except BaseException:  # an error or Ctrl-C: do not decode the rest first
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return out


def _pixels(file: BytesIO | Path, size: int | None, channels: int | None) -> np.ndarray:
    """One image as uint8 (C, side, side): the middle square, resized to `size` if that is given."""
    with Image.open(file) as image:
        width, height = image.size
        if width * height > MAX_PIXELS:
            raise ValueError(
                f"it is {width}x{height} pixels; at most {MAX_PIXELS // 1_000_000} million are read"
            )
        if image.mode in ("I", "F") or image.mode.startswith("I;"):
            raise ValueError(f"its pixels are of Pillow's mode {image.mode}; 8 bits a channel are right")
        image = ImageOps.exif_transpose(image)
        grey, paletted = image.mode in ("1", "L", "LA", "La"), image.mode in ("P", "PA")
        if image.mode in ALPHA or "transparency" in image.info:
            image = image.convert("RGBA")
            image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
        if channels is None and paletted:  # a palette may hold greys alone
            colours = np.asarray(image.convert("RGB"))
            grey = bool((colours == colours[..., :1]).all())
        if channels is None:
            channels = 1 if grey else 3
        image = image.convert("L" if channels == 1 else "RGB")
        width, height = image.size
        side = min(width, height)
        left, top = (width - side) // 2, (height - side) // 2
        if width != height:
            image = image.crop((left, top, left + side, top + side))
        if size not in (None, side):
            image = image.resize((size, size), Image.Resampling.BICUBIC)
        pixels = np.asarray(image)
    return pixels[None] if pixels.ndim == 2 else pixels.transpose(2, 0, 1)
