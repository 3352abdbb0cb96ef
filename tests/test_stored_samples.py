"""Samples that a study keeps in its cells, and reads back."""

from __future__ import annotations

import sys

import pytest
import torch

from tgan_lib.results import FOLDER, samples_of

sys.path.insert(0, str(FOLDER.parent / "studies"))
from measured import pictured


@pytest.mark.parametrize("channels", [1, 3])
def test_samples_come_back_as_they_were_stored(channels: int) -> None:
    made = torch.randint(0, 256, (5, channels, 8, 8), generator=torch.Generator().manual_seed(0))
    back = samples_of(pictured(made / 127.5 - 1))
    assert back.dtype == torch.uint8
    assert torch.equal(back.long(), made)
