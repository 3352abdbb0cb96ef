"""What is known of each image of a set: named attributes, each with its words."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from ..errors import check_kind, shown, unknown_name


@dataclass(frozen=True)
class Attributes:
    """What is known of each image: attributes["glasses"] is int64 (N,), the number of a word in words["glasses"].

    codes: uint8 (N, A), a column an attribute, in the order of `words`. words: name -> its words; "" is nothing,
    as with those who wear no glasses.
    """

    codes: Tensor
    words: Mapping[str, tuple[str, ...]]

    def __post_init__(self) -> None:
        check_kind("codes", self.codes, Tensor, "a uint8 tensor (N, attributes)")
        if self.codes.dtype != torch.uint8 or self.codes.ndim != 2 or self.codes.shape[1] != len(self.words):
            raise ValueError(
                f"codes are {self.codes.dtype} of shape {tuple(self.codes.shape)} for {len(self.words)} attributes; "
                "uint8 (N, attributes) is right"
            )

    def __len__(self) -> int:
        return len(self.codes)

    def __iter__(self) -> Iterator[str]:
        return iter(self.words)

    def __getitem__(self, name: str) -> Tensor:
        return self.codes[:, self.column(name)].long()

    def column(self, name: str) -> int:
        """The place of an attribute among the others; ValueError for one that there is not."""
        if name not in self.words:
            raise unknown_name("attribute of these images", name, self.words)
        return list(self.words).index(name)

    def having(self, name: str, words: Sequence[str] = ()) -> Tensor:
        """Truth values (N,): whose attribute is one of these words; with no words, whose is any but ""."""
        known = self.words[list(self.words)[self.column(name)]]
        for one in words:
            if one not in known:
                raise ValueError(
                    f"{shown(one)} is no word of {name}; one of {', '.join(filter(None, known))} is right"
                )
        wanted = [i for i, one in enumerate(known) if (one in words if words else one != "")]
        return torch.isin(self[name], torch.tensor(wanted, device=self.codes.device))

    def at(self, index: Tensor) -> Attributes:
        """Those of the images at `index`, whole numbers or truth values."""
        return replace(self, codes=self.codes[index])

    def to(self, device: torch.device) -> Attributes:
        return replace(self, codes=self.codes.to(device))
