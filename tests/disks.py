"""Files made to be refused, by this system or by this library."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tgan_lib.training.checkpoint import MAGIC, VERSION


def sealed(data: bytes) -> bytes:
    """A checkpoint's file whose first line is right for whatever `data` is."""
    return f"{MAGIC} {VERSION} {hashlib.sha256(data).hexdigest()}\n".encode() + data


@contextmanager
def quota(size: int) -> Iterator[None]:
    """Inside, no file of this process may grow beyond `size` bytes: the system itself refuses the write."""
    resource = pytest.importorskip("resource")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(
        resource.RLIMIT_FSIZE, (size, hard)
    )  # Python ignores SIGXFSZ, so that this is an OSError
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
