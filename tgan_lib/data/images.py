"""Images as a GAN wants them: uint8, all in one tensor, already on the device.

A data set of small images fits in memory many times over (MNIST is 47 MB), so nothing is read, decoded or
moved while training: a batch is an index and a cast, x / 127.5 - 1, done where the networks are. An epoch is
one random permutation; `Sampler` can save the place it has reached and go on from there exactly.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import torch
from torch import Tensor

from ..budget import current_budget
from ..device import default_device
from ..errors import unknown_name
from . import glyphs
from .datasets import DATASETS, SPLITS, Wanted, fetch_set
from .download import DownloadError
from .pixels import (
    resize,
    to_channels,
    to_float,  # part of this module's face
)
from .reading import read_images
from .sampling import Sampler

DRAWN = 10_000  # how many glyphs `load` draws unless it is given a limit
SMOKE_DRAWN = 2000  # and in place of a named set


@dataclass(frozen=True)
class Images:
    """Images on one device: `data` uint8 (N, C, H, W), `labels` int64 (N,) or None, `class_names`, `name`.

    `source` says where they came from, in words. C is 1 or 3 and H = W.
    """

    data: Tensor
    labels: Tensor | None = None
    class_names: tuple[str, ...] = ()
    name: str = "images"
    source: str = "a tensor"

    def __post_init__(self) -> None:
        shape = tuple(self.data.shape)
        if (
            self.data.dtype != torch.uint8
            or len(shape) != 4
            or shape[1] not in (1, 3)
            or shape[2] != shape[3]
        ):
            raise ValueError(
                f"images are {self.data.dtype} of shape {shape}; uint8 (N, 1 or 3, size, size) is right"
            )
        if self.labels is not None and len(self.labels) != len(self.data):
            raise ValueError(
                f"there are {len(self.labels)} labels for {len(self.data)} images; one each is right"
            )

    def __len__(self) -> int:
        return len(self.data)

    def __repr__(self) -> str:
        n, channels, size, _ = self.data.shape
        kind = "grey" if channels == 1 else "colour"
        return f"Images({self.name}: {n} {kind}, {size}x{size}, from {self.source}, on {self.device})"

    @property
    def device(self) -> torch.device:
        return self.data.device

    def to(self, device: torch.device | str) -> Images:
        """The same images on another device."""
        return replace(
            self, data=self.data.to(device), labels=None if self.labels is None else self.labels.to(device)
        )

    def subset(self, indices: Tensor | Sequence[int]) -> Images:
        """The images at `indices`, in that order."""
        index = torch.as_tensor(indices, device=self.device)
        return replace(
            self, data=self.data[index], labels=None if self.labels is None else self.labels[index]
        )

    def batch(self, indices: Tensor | Sequence[int], *, mirror: bool = False) -> Tensor:
        """Float images (B, C, H, W) in [-1, 1] at `indices`, made on the device.

        With `mirror`, indices run to 2N: index N + i is image i flipped left to right.
        """
        index = torch.as_tensor(indices, device=self.device)
        if not mirror:
            return to_float(self.data[index])
        batch = to_float(self.data[index % len(self)])
        return torch.where((index >= len(self))[:, None, None, None], batch.flip(3), batch)

    def batches(
        self, batch_size: int, *, seed: int = 0, sampler: Sampler | None = None, mirror: bool = False
    ) -> Iterator[Tensor]:
        """Endless batches over shuffled epochs. Give your own `sampler` to save and restore where it is."""
        sampler = sampler or Sampler(len(self) * (1 + mirror), batch_size, seed=seed, device=self.device)
        while True:
            yield self.batch(sampler.next(), mirror=mirror)


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
        "glyphs:DOMAIN" for drawn images (`glyphs.draw`), 10 000 of them unless `limit` says otherwise; or the
        path of a folder or zip of image files: a class per subfolder, or flat; the middle square of each;
        mixed sizes need `size` (`reading.read_images`).
    size: pixels to resize to, antialiased; as they are by default. channels: 1 (grey) or 3 (colour).
    device: the GPU if there is one. limit: a fixed random choice of that many images.
    split: "train" or "test". A folder or zip that holds `train` and `test` folders is split by it too.
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

    Under the smoke budget drawn glyphs stand in for every named set, unless `root` says where it is, so that a
    smoke run is quick and the same everywhere; one printed sentence says so. Raises ValueError,
    FileNotFoundError or RuntimeError with one plain sentence.
    """
    if split not in SPLITS:
        raise unknown_name("split", split, SPLITS)
    if channels not in (None, 1, 3):
        raise ValueError(f"channels is {channels}; 1 (grey) or 3 (colour) is right")
    if size is not None and size < 1:
        raise ValueError(f"size is {size}; a number of pixels of at least 1 is right")
    if limit is not None and limit < 1:
        raise ValueError(f"limit is {limit}; at least one image must be left")
    key, _, part = str(name).partition(":")
    key = key.lower()
    if key == "glyphs":
        images = _draw(part.lower() or "digits", size or 32, channels or 1, split, limit)
    elif key in DATASETS:
        images = _load_named(key, Wanted(split, size, limit, part), root, download, mirrors)
    elif os.path.exists(name):
        pixels, numbers, classes = read_images(name, size=size, channels=channels, split=split, limit=limit)
        labels = None if numbers is None else torch.from_numpy(numbers)
        path = Path(name).resolve()
        kind = "the folder" if path.is_dir() else "the zip"
        images = Images(torch.from_numpy(pixels), labels, tuple(classes), path.stem, f"{kind} {path.name}")
    elif os.path.basename(name) == str(name) and "." not in str(name):
        raise unknown_name("data set or folder", name, [*DATASETS, *(f"glyphs:{d}" for d in glyphs.DOMAINS)])
    else:
        raise FileNotFoundError(f"there is no {str(name)!r}; the path of a folder or zip of images is right")
    images = images.to(device or default_device())
    data = to_channels(images.data, 1) if channels == 1 else images.data  # resize as few channels as we can
    data = resize(data, size or data.shape[2])
    return replace(images, data=to_channels(data, channels or data.shape[1]))


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
    own = root or os.environ.get("TGAN_DATA")
    folder = Path(own or os.environ.get("TGAN_CACHE") or Path.home() / ".cache" / "tgan_lib").expanduser()
    paths, source = [folder / path for path in known.files[wanted.split]], f"the files of {known.title}"
    missing = [path for path in paths if not path.exists()]
    copy, copy_source = known.copies.get(wanted.split, ("", ""))
    if missing and copy and (folder / copy).exists():
        paths, source = [folder / copy], copy_source
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
            raise DownloadError(f"{error}; to go on without the network, {go_on}") from error
    data, labels, classes = known.read(paths, wanted)
    name = f"{key}:{wanted.part}" if wanted.part else key
    return Images(data, labels, tuple(classes) or known.classes, name, source)


def _stand_in(key: str, wanted: Wanted) -> Images:
    """Drawn images for a smoke run: of the set's own size, or as asked for where that would be large."""
    domain, channels, size = DATASETS[key].drawn
    size = size or min(max(wanted.size or 32, 16), 256)
    images = _draw(domain, size, channels, wanted.split, wanted.limit or SMOKE_DRAWN)
    return replace(images, name=f"{images.name} in place of {key}")
