"""Real data for the tests that need it: from TGAN_DATA, or the test is skipped in words."""

from __future__ import annotations

import os

import pytest

from tgan_lib.data import Images, load


def mnist(split: str = "train") -> Images:
    """MNIST on the CPU. Skips the calling test where TGAN_DATA does not hold it."""
    return _real("mnist", "MNIST/raw", split=split)


def omniglot(alphabets: str = "", *, size: int | None = None, limit: int | None = None) -> Images:
    """Omniglot, or some alphabets ("Latin,Greek"), on the CPU. Skips where TGAN_DATA does not hold it."""
    name = f"omniglot:{alphabets}" if alphabets else "omniglot"
    return _real(name, "omniglot-small.zip or omniglot-py", size=size, limit=limit)


def cifar10(split: str = "train", *, limit: int | None = None) -> Images:
    """CIFAR-10, or its JPEG copy, on the CPU. Skips where TGAN_DATA holds neither."""
    return _real("cifar10", f"cifar-10-binary.tar.gz or cifar10-jpeg-{split}.zip", split=split, limit=limit)


def _real(
    name: str, needs: str, *, split: str = "train", size: int | None = None, limit: int | None = None
) -> Images:
    root = os.environ.get("TGAN_DATA")
    if root:
        try:
            images = load(name, split=split, size=size, limit=limit, root=root, download=False, device="cpu")
        except FileNotFoundError:
            pass
        else:
            if images.source != "drawn glyphs":  # a smoke run draws what it does not have
                return images
    pytest.skip(f"needs the real {name}: set TGAN_DATA to a folder that holds {needs}")
