"""A checkpoint is whole or absent, and reading one runs no code."""

from __future__ import annotations

import errno
import hashlib
import io
import os
import pickle
from pathlib import Path

import pytest
import torch

from tgan_lib.checkpoint import CheckpointError, load_checkpoint, save_checkpoint

STATE = {"step": 3, "weights": torch.arange(5.0), "names": ["a", "b"], "nested": {"x": 1.5}}


def test_round_trip(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "new" / "c.pt", STATE)
    back = load_checkpoint(tmp_path / "new" / "c.pt")
    assert torch.equal(back.pop("weights"), STATE["weights"])
    assert back == {k: v for k, v in STATE.items() if k != "weights"}
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["c.pt"]


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.99])
def test_a_truncated_file_is_refused(tmp_path: Path, share: float) -> None:
    path = tmp_path / "c.pt"
    save_checkpoint(path, STATE)
    data = path.read_bytes()
    path.write_bytes(data[: int(share * len(data))])
    with pytest.raises(CheckpointError, match=r"damaged|not a checkpoint"):
        load_checkpoint(path)


def test_one_altered_byte_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "c.pt"
    save_checkpoint(path, STATE)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)
    with pytest.raises(CheckpointError, match="damaged"):
        load_checkpoint(path)


def test_another_version_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "c.pt"
    save_checkpoint(path, STATE)
    path.write_bytes(path.read_bytes().replace(b"tgan-checkpoint 1 ", b"tgan-checkpoint 9 ", 1))
    with pytest.raises(CheckpointError, match=r"version 9; this tgan_lib reads version 1"):
        load_checkpoint(path)


class Malice:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return (os.system, (f"touch {self.target}",))

    def __init__(self, target: Path) -> None:
        self.target = target


def test_a_malicious_pickle_is_not_executed(tmp_path: Path) -> None:
    target = tmp_path / "executed"
    payload = io.BytesIO()
    torch.save(Malice(target), payload)
    for data in (payload.getvalue(), pickle.dumps(Malice(target))):
        head = f"tgan-checkpoint 1 {hashlib.sha256(data).hexdigest()}\n".encode()
        (tmp_path / "c.pt").write_bytes(head + data)
        with pytest.raises(CheckpointError, match="other than plain data"):
            load_checkpoint(tmp_path / "c.pt")
    assert not target.exists()


def test_a_full_disk_keeps_the_old_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "c.pt"
    save_checkpoint(path, STATE)
    old = path.read_bytes()

    def full(fd: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(CheckpointError, match=r"No space left on device\); the previous one is untouched"):
        save_checkpoint(path, STATE | {"step": 4})
    assert path.read_bytes() == old
    assert [p.name for p in tmp_path.iterdir()] == ["c.pt"]
