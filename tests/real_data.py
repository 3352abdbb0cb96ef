"""Real MNIST for the tests that need it: from TGAN_DATA, or the test is skipped in words."""

from __future__ import annotations

import os

import pytest

from tgan_lib.data import Images, load


def mnist(split: str = "train") -> Images:
    """MNIST on the CPU. Skips the calling test where TGAN_DATA does not hold it."""
    root = os.environ.get("TGAN_DATA")
    try:
        if root:
            return load("mnist", split=split, root=root, device="cpu")
    except FileNotFoundError:
        pass
    pytest.skip("needs real MNIST: set TGAN_DATA to a folder that holds MNIST/raw")
