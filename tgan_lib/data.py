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
from typing import Any

import torch
from torch import Tensor

from . import glyphs
from .budget import current_budget
from .download import DownloadError, fetch_idx
from .errors import unknown_name
from .gan import default_device
from .pixels import resize, to_channels, to_float
from .pixels import to_uint8 as to_uint8  # part of this module's face
from .reading import read_idx, read_images

# name -> (class in torchvision.datasets, classes, the drawn domain that stands in where there is no data)
DATASETS = {
    "mnist": ("MNIST", "0 1 2 3 4 5 6 7 8 9", "digits"),
    "fashion-mnist": (
        "FashionMNIST", "top trouser pullover dress coat sandal shirt sneaker bag boot", "shapes",
    ),
    "kmnist": ("KMNIST", "o ki su tsu na ha ma ya re wo", "letters"),
}  # fmt: skip
DRAWN = 10_000  # how many glyphs `load` draws unless it is given a limit
SPLITS = ("train", "test")


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


class Sampler:
    """Endless random batches of indices below `n`; an epoch is a permutation, its last partial batch dropped.

    When n < batch_size an epoch is one batch, drawn from as many permutations as it takes, so that no image
    comes up more than once oftener than another. The order depends on the seed alone, not on the device:
    permutations are made on the CPU and copied once an epoch, without waiting for the device.
    """

    def __init__(
        self, n: int, batch_size: int, seed: int = 0, device: torch.device | str | None = None
    ) -> None:
        if n < 1 or batch_size < 1:
            raise ValueError(f"n is {n} and batch_size {batch_size}; both must be at least 1")
        self.n, self.batch_size = n, batch_size
        self.device = torch.device(device or "cpu")
        self._rng = torch.Generator().manual_seed(seed)
        self._start_epoch()

    def _start_epoch(self) -> None:
        self._rng_at_start = self._rng.get_state()
        rounds = -(-self.batch_size // self.n)
        order = torch.cat([torch.randperm(self.n, generator=self._rng) for _ in range(rounds)])
        if self.device.type == "cuda":  # from pinned memory the copy runs behind the work already queued
            order = order.pin_memory().to(self.device, non_blocking=True)
        self._order, self._position = order, 0

    def next(self) -> Tensor:
        """The next indices, int64 (batch_size,), on the device."""
        if self._position + self.batch_size > len(self._order):
            self._start_epoch()
        indices = self._order[self._position : self._position + self.batch_size]
        self._position += self.batch_size
        return indices

    def state_dict(self) -> dict[str, Any]:
        """Where we are, as tensors and ints; a sampler that loads it gives the very same batches."""
        return {
            "n": self.n,
            "batch_size": self.batch_size,
            "generator": self._rng_at_start.clone(),
            "position": self._position,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from `state`; ValueError when it was saved for another number of images or batch size."""
        for field in ("n", "batch_size"):
            if state[field] != getattr(self, field):
                ours = getattr(self, field)
                raise ValueError(
                    f"the saved sampler has {field} {state[field]}, this one {ours}; they must match"
                )
        self._rng.set_state(state["generator"].cpu())
        self._start_epoch()
        self._position = state["position"]


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

    name: "mnist", "fashion-mnist" or "kmnist"; "glyphs" or "glyphs:DOMAIN" for drawn images (`glyphs.draw`),
        10 000 of them unless `limit` says otherwise; or the path of a folder or zip of image files: a class
        per subfolder, or flat; the middle square of each; mixed sizes need `size` (`reading.read_images`).
    size: pixels to resize to, antialiased; as they are by default. channels: 1 (grey) or 3 (colour).
    device: the GPU if there is one. limit: a fixed random choice of that many images.
    split: "train" or "test". A folder or zip that holds `train` and `test` folders is split by it too.
    root: where named sets live, as torchvision lays them out (root/MNIST/raw). By default the folder in the
        environment variable TGAN_DATA, into which nothing is downloaded; without it TGAN_CACHE or
        ~/.cache/tgan_lib, where they are downloaded once, from `mirrors` or torchvision's own.

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
    key = str(name).lower()
    if key.partition(":")[0] == "glyphs":
        images = _draw(key.partition(":")[2] or "digits", size or 32, channels or 1, split, limit)
    elif key in DATASETS:
        images = _load_named(key, split, root, download, mirrors, limit)
    elif os.path.exists(name):
        pixels, numbers, classes = read_images(name, size=size, channels=channels, split=split, limit=limit)
        labels = None if numbers is None else torch.from_numpy(numbers)
        path = Path(name).resolve()
        kind = "the folder" if path.is_dir() else "the zip"
        images = Images(torch.from_numpy(pixels), labels, tuple(classes), path.stem, f"{kind} {path.name}")
    elif os.path.basename(key) == key and "." not in key:
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
    split: str,
    root: str | os.PathLike[str] | None,
    download: bool,
    mirrors: Sequence[str] | None,
    limit: int | None,
) -> Images:
    """One of the MNIST-like sets, from disk or fetched to it; drawn in a smoke run that does not have it."""
    title, classes, domain = DATASETS[key]
    if current_budget() == "smoke" and root is None:
        print(f"This is a smoke run: drawn {domain} stand in for {title}.")
        drawn = _draw(domain, 28, 1, split, limit or 2000)
        return replace(drawn, name=f"{drawn.name} in place of {key}")
    own = root or os.environ.get("TGAN_DATA")
    folder = Path(own or os.environ.get("TGAN_CACHE") or Path.home() / ".cache" / "tgan_lib").expanduser()
    raw = folder / title / "raw"
    prefix = "train" if split == "train" else "t10k"
    files = [raw / f"{prefix}-images-idx3-ubyte", raw / f"{prefix}-labels-idx1-ubyte"]
    if not all(file.exists() for file in files):
        go_on = "set TGAN_DATA to a folder that has it, or use load('glyphs'), which draws its images"
        if current_budget() == "smoke":
            print(f"{title} is not here and a smoke run downloads nothing: drawn {domain} stand in for it.")
            drawn = _draw(domain, 28, 1, split, limit or 2000)
            return replace(drawn, name=f"{drawn.name} in place of {key}")
        if not download or (root is None and own):
            raise FileNotFoundError(f"{title} is not in {folder} (no {raw / files[0].name}); {go_on}")
        from torchvision import datasets  # for its addresses and hashes only: importing it takes seconds

        source = getattr(datasets, title)
        try:
            fetch_idx(raw, mirrors or source.mirrors, source.resources)
        except DownloadError as error:
            raise DownloadError(f"{error}; to go on without the network, {go_on}") from error
    data, labels = (torch.from_numpy(read_idx(file)) for file in files)
    images = Images(data[:, None], labels.long(), tuple(classes.split()), key, f"the files of {title}")
    if limit is None or limit >= len(images):
        return images
    chosen = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))[:limit]
    return images.subset(chosen.sort().values)
