"""`load`: images by name, from a folder or zip of one's own, or drawn; downloaded once where they are not here."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import torch

from ..budget import current_budget
from ..device import pick_device
from ..errors import as_path, check_kind, unknown_name, whole_number
from ..inputs import image_count
from . import glyphs, portraits
from .datasets import DATASETS, SPLITS, Wanted, fetch_set, lies_in
from .download import DownloadError
from .images import Images
from .parts import part_name
from .pixels import MOST_SIDE, resize, to_channels
from .reading import DamagedError, read_images

DRAWN = 10_000  # how many glyphs `load` draws unless it is given a limit
SMOKE_DRAWN = 2000  # and in place of a named set


def load(
    name: str | os.PathLike[str],
    *,
    size: int | None = None,
    channels: int | None = None,
    device: torch.device | str | None = None,
    split: str = "train",
    root: str | os.PathLike[str] | None = None,
    download: bool = True,
    limit: int | None = None,
    mirrors: Sequence[str] | None = None,
) -> Images:
    """Images by name, or from a folder or zip of your own.

    name: "mnist", "fashion-mnist", "kmnist", "omniglot", "cifar10" or "flowers102" (see below); "glyphs" or
        "glyphs:DOMAIN" for drawn images (`glyphs.draw`), 10 000 of them unless `limit` says otherwise;
        "portraits:STYLE" for portraits, which come with the library (see below); or the path of a folder or zip of
        image files (~ is your home): a class per subfolder, or flat; the middle square of each; mixed sizes need
        `size` (`reading.read_images`).
    size: pixels to resize to, antialiased; as they are by default. channels: 1 (grey) or 3 (colour).
    device: the GPU if there is one. limit: a fixed random choice of that many images.
    split: "train", "val" or "test". Named sets have no "val". A folder or zip is divided by its `train`, `val` or
        `valid`, and `test` folders, in any letter case; one without them is all "train", and asking it for another
        part is refused (`parts.pick_part`).
    root: where named sets live, as torchvision lays them out (root/MNIST/raw). By default the folder in the
        environment variable TGAN_DATA, into which nothing is downloaded; without it TGAN_CACHE or
        ~/.cache/tgan_lib, where they are downloaded once, from `mirrors` or their own addresses.

    omniglot: 105x105, inverted, so that ink is white on black as in MNIST; 20 drawings of each character, and a
        character is a class. "omniglot:Latin,Greek" takes some alphabets. "train" is the published background
        set (`omniglot-small.zip`, six alphabets, is taken in its place), "test" the evaluation set, of other
        alphabets. Contrast is left alone: at 28 pixels strokes are nearly as bright as MNIST's and thinner (the
        mean pixel is 0.08 of white against 0.13).
    cifar10: 32x32 colour, from the binary version, or from a JPEG copy (`cifar10-jpeg-train.zip`, -test);
        `source` says so then, because distances on it are not comparable with published ones.
    flowers102: photographs, cropped to the middle square; needs `size`. "train" is the published training and
        validation parts, 20 of each class.

    portraits: "peeps", "micah", "ink", "toon", "adventurer" or "pixel" after the colon; 64x64 in colour. "test" is
        the last 2 000 peeps, the last 1 000 of any other style; `limit` takes the first ones, drawn as blindly as
        any others.

    Under the smoke budget drawn glyphs stand in for every set that is fetched, unless `root` says where it is, so
    that a smoke run is quick and the same everywhere (portraits are then 2 000); one printed sentence says so. Raises
    ValueError, FileNotFoundError or RuntimeError with one plain sentence.
    """
    check_kind("name", name, (str, os.PathLike), "the name of a data set, or a path,")
    split = part_name(split)
    if channels is not None and whole_number("channels", channels) not in (1, 3):
        raise ValueError(f"channels is {channels}; 1 (grey) or 3 (colour) is right")
    size = None if size is None else whole_number("size", size, 1, MOST_SIDE)
    limit = None if limit is None else image_count("limit", limit)
    place = pick_device(device)
    key, _, part = str(name).partition(":")
    key = key.lower()
    if (key in ("glyphs", "portraits") or key in DATASETS) and split not in SPLITS:
        raise ValueError(f"{key} has no {split!r} part; hold some images out with split(load({key!r}), 0.9)")
    if key == "glyphs":
        images = _draw(part.lower() or "digits", size or 32, channels or 1, split, limit)
    elif key == "portraits":
        images = _portraits(part.lower() or "peeps", split, limit)
    elif key in DATASETS:
        images = _load_named(key, Wanted(split, size, limit, part), root, download, mirrors)
    elif os.path.exists(path := as_path("path", name)):
        pixels, numbers, classes = read_images(path, size=size, channels=channels, split=split, limit=limit)
        labels = None if numbers is None else torch.from_numpy(numbers)
        path = path.resolve()
        own, kind = (path.name, "the folder") if path.is_dir() else (path.stem, "the zip")
        images = Images(torch.from_numpy(pixels), labels, tuple(classes), own, f"{kind} {path.name}")
    elif os.path.basename(name) == str(name) and "." not in str(name):
        raise unknown_name("data set or folder", name, known_names())
    else:
        raise FileNotFoundError(f"there is no {str(name)!r}; the path of a folder or zip of images is right")
    images = images.to(place)
    data = to_channels(images.data, 1) if channels == 1 else images.data  # resize as few channels as we can
    data = resize(data, size or data.shape[2])
    return replace(images, data=to_channels(data, channels or data.shape[1]))


def known_names() -> list[str]:
    """What `load` knows by name."""
    drawn = (f"glyphs:{domain}" for domain in glyphs.DOMAINS)
    return [*DATASETS, *(f"portraits:{style}" for style in portraits.STYLES), *drawn]


def _portraits(style: str, split: str, limit: int | None) -> Images:
    """A style's part, at 64 px and in colour; in a smoke run only some of them."""
    if current_budget() == "smoke" and limit is None:
        limit = SMOKE_DRAWN
    data, attributes = portraits.read_style(style, split, limit)
    source = f"{portraits.STYLES[style].title} by {portraits.STYLES[style].author}"
    return Images(data, name=f"portraits:{style}", source=source, attributes=attributes)


def _draw(domain: str, size: int, channels: int, split: str, limit: int | None) -> Images:
    n, seed = limit or DRAWN, SPLITS.index(split)
    data, labels, _ = glyphs.draw(domain, n, size=size, channels=channels, seed=seed)
    return Images(data, labels, tuple(glyphs.DOMAINS[domain].names), f"glyphs:{domain}", "drawn glyphs")


def _load_named(
    key: str,
    wanted: Wanted,
    root: str | os.PathLike[str] | None,
    download: bool,
    mirrors: Sequence[str] | None,
) -> Images:
    """A named set at its own size (Flowers-102 at the size asked for): from disk, fetched to it, or drawn."""
    known = DATASETS[key]
    smoke = current_budget() == "smoke"
    if wanted.part and key != "omniglot":
        raise ValueError(
            f"{key}:{wanted.part} asks for a part of {known.title}; only omniglot has parts with names"
        )
    if wanted.size is None and key == "flowers102":
        raise ValueError("flowers102 has photographs of many sizes; pass size=, 64 for example")
    if smoke and root is None:
        print(f"This is a smoke run: drawn {known.drawn[0]} stand in for {known.title}.")
        return _stand_in(key, wanted)
    own = (os.environ.get("TGAN_DATA") or None) if root is None else root
    folder = _cache() if own is None else as_path("path", own)
    names, source = list(known.files[wanted.split]), f"the files of {known.title}"
    missing = [folder / name for name in names if not lies_in(folder, name)]
    copy, copy_source = known.copies.get(wanted.split, ("", ""))
    if missing and copy and lies_in(folder, copy):
        names, source = [copy], copy_source
    elif missing and smoke:
        stand_in = f"drawn {known.drawn[0]} stand in for it"
        print(f"{known.title} is not here and a smoke run downloads nothing: {stand_in}.")
        return _stand_in(key, wanted)
    elif missing:
        go_on = "set TGAN_DATA to a folder that has it, or use load('glyphs'), which draws its images"
        if not download or (root is None and own):
            raise FileNotFoundError(f"{known.title} is not in {folder} (no {missing[0]}); {go_on}")
        print(f"{known.title} is not here yet; it is being downloaded, once.")
        try:
            fetch_set(known, folder, wanted.split, mirrors)
        except DownloadError as error:
            elsewhere = (
                "set TGAN_CACHE to a folder that can, or, " if "cannot be written" in str(error) else ""
            )
            raise DownloadError(f"{error}; {elsewhere}to go on without the network, {go_on}") from error
    try:
        data, labels, classes = known.read([lies_in(folder, name) or folder / name for name in names], wanted)
    except DamagedError as error:
        raise ValueError(f"{error}; delete it and load again") from error
    name = f"{key}:{wanted.part}" if wanted.part else key
    return Images(data, labels, tuple(classes) or known.classes, name, source)


def _cache() -> Path:
    """Where what is downloaded is kept; RuntimeError where nothing says so and there is no home folder."""
    if own := os.environ.get("TGAN_CACHE"):
        return as_path("path", own)
    try:
        return Path.home() / ".cache" / "tgan_lib"
    except RuntimeError as error:
        raise RuntimeError(
            "there is no home folder to keep data in; set TGAN_CACHE to a folder that can be written, or TGAN_DATA to "
            "one that has the data"
        ) from error


def _stand_in(key: str, wanted: Wanted) -> Images:
    """Drawn images for a smoke run: of the set's own size, or as asked for where that would be large."""
    domain, channels, size = DATASETS[key].drawn
    size = size or min(max(wanted.size or 32, 16), 256)
    images = _draw(domain, size, channels, wanted.split, wanted.limit or SMOKE_DRAWN)
    return replace(images, name=f"{images.name} in place of {key}")
