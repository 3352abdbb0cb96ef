"""Images as a GAN wants them: uint8, all in one tensor, already on the device.

A data set of small images fits in memory many times over (MNIST is 47 MB), so nothing is read, decoded or
moved while training: a batch is an index and a cast, x / 127.5 - 1, done where the networks are. An epoch is
one random permutation; `Sampler` can save the place it has reached and go on from there exactly.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..device import pick_device
from ..errors import check_kind, shown, true_or_false
from ..inputs import Floats, image_batch
from .attributes import Attributes
from .pixels import to_float
from .sampling import Sampler


@dataclass(frozen=True)
class Images:
    """Images on one device: `data` uint8 (N, C, H, W), `labels` whole numbers (N,) or None, `class_names`, `name`.

    `source` says where they came from, in words; `attributes` what is known of each image, if anything is (the
    portraits' choices: images.attributes["glasses"]). C is 1 or 3 and H = W.
    """

    data: Tensor
    labels: Tensor | None = None
    class_names: tuple[str, ...] = ()
    name: str = "images"
    source: str = "a tensor"
    attributes: Attributes | None = None

    def __post_init__(self) -> None:
        check_kind("data", self.data, Tensor, "a tensor, uint8 (N, 1 or 3, size, size),")
        shape = tuple(self.data.shape)
        if (
            self.data.dtype != torch.uint8
            or len(shape) != 4
            or shape[1] not in (1, 3)
            or shape[2] != shape[3]
            or not shape[2]
        ):
            raise ValueError(
                f"images are {self.data.dtype} of shape {shape}; uint8 (N, 1 or 3, size, size) is right"
                + _how_to_get_there(self.data)
            )
        if self.attributes is not None and len(self.attributes) != shape[0]:
            raise ValueError(
                f"there are attributes of {len(self.attributes)} images for {shape[0]} images; one each is right"
            )
        if self.labels is None:
            return
        check_kind("labels", self.labels, Tensor, "a tensor (N,) of whole numbers, or None,")
        if len(self.labels.shape) != 1 or len(self.labels) != len(self.data):
            raise ValueError(
                f"labels have shape {tuple(self.labels.shape)} for {len(self.data)} images; one each is right"
            )
        if self.labels.is_floating_point() or self.labels.is_complex() or self.labels.dtype == torch.bool:
            raise ValueError(f"labels are {self.labels.dtype}; whole numbers are right")

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
        device = pick_device(device)
        return replace(
            self,
            data=self.data.to(device),
            labels=None if self.labels is None else self.labels.to(device),
            attributes=None if self.attributes is None else self.attributes.to(device),
        )

    def subset(self, indices: Tensor | Sequence[int]) -> Images:
        """The images at `indices`, in that order; or, of truth values (N,), those where it is true."""
        index = self._index(indices)
        n = len(self)
        if index.dtype == torch.bool and len(index) != n:
            raise ValueError(f"there are {len(index)} truth values for {n} images; one each is right")
        if index.dtype != torch.bool and len(index) and not -n <= int(index.min()) <= int(index.max()) < n:
            raise ValueError(
                f"indices run from {int(index.min())} to {int(index.max())}; of {n} images 0 to {n - 1} is right"
            )
        return replace(
            self,
            data=self.data[index],
            labels=None if self.labels is None else self.labels[index],
            attributes=None if self.attributes is None else self.attributes.at(index),
        )

    def having(self, name: str, *words: str) -> Images:
        """The images with an attribute: images.having("glasses"), images.having("glasses", "sunglasses", "eyepatch").

        ValueError for images of which nothing is known, and for an attribute or word that there is not.
        """
        if self.attributes is None:
            raise ValueError(f"nothing is known of {self.name} by which to choose; portraits have attributes")
        return self.subset(self.attributes.having(name, words))

    def batch(self, indices: Tensor | Sequence[int], *, mirror: bool = False) -> Tensor:
        """Float images (B, C, H, W) in [-1, 1] at `indices`, made on the device.

        With `mirror`, indices run to 2N: index N + i is image i flipped left to right.
        """
        index, mirror = self._index(indices), true_or_false("mirror", mirror)
        try:  # of a GPU nothing is read back to look at the indices first
            if not mirror:
                return to_float(self.data[index])
            batch = to_float(self.data[index % len(self)])
        except (IndexError, ZeroDivisionError, RuntimeError) as error:
            right = f"0 to {len(self) * (1 + mirror) - 1}" if len(self) else "none"
            raise ValueError(f"an index is none of {len(self)} images; {right} is right") from error
        return torch.where((index >= len(self))[:, None, None, None], batch.flip(3), batch)

    def _index(self, indices: Tensor | Sequence[int]) -> Tensor:
        """Indices (B,) as a tensor on our device; ValueError for what is none."""
        try:
            index = torch.as_tensor(indices, device=self.device)
        except Exception as error:  # whatever torch says of what it cannot take
            raise ValueError(f"indices are {shown(indices)}; whole numbers (B,) are right") from error
        if index.ndim == 1 and not len(index):
            return index.long()
        if index.ndim != 1 or index.is_floating_point() or index.is_complex():
            raise ValueError(f"indices are {shown(indices)}; whole numbers (B,) are right")
        return index if index.dtype == torch.bool else index.long()  # uint8 would be taken for a mask

    def batches(
        self, batch_size: int, *, seed: int = 0, sampler: Sampler | None = None, mirror: bool = False
    ) -> Iterator[Tensor]:
        """Endless batches over shuffled epochs. Give your own `sampler` to save and restore where it is."""
        mirror = true_or_false("mirror", mirror)
        sampler = sampler or Sampler(len(self) * (1 + mirror), batch_size, seed=seed, device=self.device)
        while True:
            yield self.batch(sampler.next(), mirror=mirror)


def _how_to_get_there(data: Tensor) -> str:
    """How a tensor of images becomes what `Images` takes, to be added to a sentence; nothing where it is not clear."""
    if data.dtype == torch.uint8 and data.ndim == 3 and data.shape[1] == data.shape[2]:
        return ": data[:, None] of grey ones"
    if (
        data.dtype == torch.uint8
        and data.ndim == 4
        and data.shape[3] in (1, 3)
        and data.shape[1] not in (1, 3)
    ):
        return ": data.permute(0, 3, 1, 2) of these"
    if not data.is_floating_point() or not data.numel() or not torch.isfinite(data).all():
        return ""
    low, high = (float(x) for x in data.detach().aminmax())
    convert = {
        -1.001 <= low < 0 and high <= 1.001: "to_uint8(data)",
        low >= 0 and 1.001 < high <= 255: "data.round().byte()",
        low >= 0 and high <= 1.001: "(255 * data).round().byte()",
    }.get(True)
    return f"; these run from {low:g} to {high:g}" + (f": {convert}" if convert else "")


def check_images(images: object, what: str = "images", least: int = 1) -> Images:
    """`images` as they are, made sure of: `Images`, at least `least` of them. What every call that takes them asks.

    TypeError for a tensor, an array, a path or another library's data set, which says how to make them `Images`.
    """
    check_kind(what, images, Images, "an Images, as load(...) or Images(a uint8 tensor) gives one,")
    assert isinstance(images, Images)
    if len(images) < least:
        raise ValueError(
            f"there are {len(images)} {what}; at least {least} of them {'is' if least < 2 else 'are'} needed"
        )
    return images


def tensor_of(images: Images | Tensor, what: str = "images", *, floats: Floats = "strict") -> Tensor:
    """The pixels of `Images`, or a tensor of images: (N, C, H, W), made sure of as in `inputs.image_batch`."""
    return image_batch(images.data if isinstance(images, Images) else images, what, floats=floats)
