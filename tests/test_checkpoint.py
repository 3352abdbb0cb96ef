"""A checkpoint is whole or absent, what is saved loads, and no failure costs the one that was there."""

from __future__ import annotations

import builtins
import errno
import os
import stat
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from disks import quota
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from tgan_lib import files
from tgan_lib.training import checkpoint
from tgan_lib.training.checkpoint import CheckpointError, load_checkpoint, refuse_changed, save_checkpoint

STATE: dict[str, Any] = {"step": 3, "weights": torch.arange(5.0), "names": ["a", "b"], "nested": {"x": 1.5}}
BIG: dict[str, Any] = {"weights": torch.arange(50_000.0)}


def test_round_trip(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "new" / "c.pt", STATE)
    back = load_checkpoint(tmp_path / "new" / "c.pt")
    assert torch.equal(back.pop("weights"), STATE["weights"])
    assert back == {k: v for k, v in STATE.items() if k != "weights"}
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["c.pt"]


# What is saved loads

plain_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text() | st.integers(), inner, max_size=3),
    max_leaves=8,
)


@settings(deadline=None, max_examples=60)
@given(state=st.dictionaries(st.text(), plain_values, max_size=3))
def test_whatever_is_saved_loads_as_it_was(scratch: Path, state: dict[str, Any]) -> None:
    save_checkpoint(scratch, state)
    assert load_checkpoint(scratch) == state


class Number(float):
    """A float of somebody else's."""


@pytest.mark.parametrize(
    ("value", "words"),
    [
        (np.float64(3.5), r"\['records'\]\[0\]\['x'\] is np.float64\(3.5\) \(numpy.float64\)"),
        (np.ones(3), "is float64 of shape"),
        (Number(1), r"test_checkpoint\.Number"),
        (nn.Linear(2, 2), "is Linear"),
        (lambda: 1, "is a function"),
        ({1, 2}, "is {1, 2}"),
        (Path("here"), "PosixPath"),
        (torch.float32, "is torch.float32"),
        (torch.eye(2).to_sparse(), "of shape"),
        (torch.ones(2, device="meta"), "of shape"),
        ({(1, 2): 3}, r"has the key \(1, 2\)"),
        ({np.int64(1): 3}, r"has the key np.int64"),
    ],
)
def test_what_would_not_load_is_not_saved_and_is_named(tmp_path: Path, value: Any, words: str) -> None:
    save_checkpoint(tmp_path / "c.pt", STATE)
    with pytest.raises(CheckpointError, match=words):
        save_checkpoint(tmp_path / "c.pt", {"records": [{"x": value}]})
    assert load_checkpoint(tmp_path / "c.pt")["step"] == 3
    assert [p.name for p in tmp_path.iterdir()] == ["c.pt"]


def test_other_states_that_would_not_load(tmp_path: Path) -> None:
    loop: list[Any] = []
    loop.append(loop)
    for state, words in (
        (OrderedDict(a=1), "the state is"),
        ([1], r"the state is \[1\]; a dictionary is right"),
        ({"a": loop}, "more than 50 levels deep"),
        ({"a": "constants.pkl"}, "TorchScript"),
    ):
        with pytest.raises(CheckpointError, match=words):
            save_checkpoint(tmp_path / "c.pt", state)  # type: ignore[arg-type]
    assert not list(tmp_path.iterdir())


# What is not a whole checkpoint


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    path = tmp_path_factory.mktemp("whole") / "c.pt"
    save_checkpoint(path, STATE)
    return path.read_bytes()


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("scratch") / "c.pt"


def assert_refused(path: Path, data: bytes | bytearray) -> None:
    path.write_bytes(data)
    with pytest.raises(CheckpointError):
        load_checkpoint(path)


@pytest.mark.parametrize("share", [0.01, 0.5, 0.99])
def test_a_truncated_file_is_refused(whole: bytes, scratch: Path, share: float) -> None:
    scratch.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(CheckpointError, match=r"is damaged.*put a copy in its place|not a checkpoint"):
        load_checkpoint(scratch)


@settings(deadline=None, max_examples=150)
@given(data=st.data())
def test_any_altered_byte_and_any_truncation_is_refused(
    whole: bytes, scratch: Path, data: st.DataObject
) -> None:
    position = data.draw(st.integers(0, len(whole) - 1))
    altered = bytearray(whole)
    altered[position] ^= data.draw(st.integers(1, 255))
    assert_refused(scratch, altered)
    assert_refused(scratch, whole[:position])
    assert_refused(scratch, whole + data.draw(st.binary(min_size=1, max_size=8)))


def test_no_byte_of_the_first_line_may_change(whole: bytes, scratch: Path) -> None:
    for position in range(whole.index(b"\n") + 1):
        for space_or_other in b"\t\r\n \x00A\xa0":
            altered = bytearray(whole)
            altered[position] = space_or_other
            if altered != whole:
                assert_refused(scratch, altered)


def test_another_version_is_refused(whole: bytes, scratch: Path) -> None:
    scratch.write_bytes(whole.replace(b"tgan-checkpoint 3 ", b"tgan-checkpoint 9 ", 1))
    with pytest.raises(CheckpointError, match=r"version 9; this tgan_lib reads version 3"):
        load_checkpoint(scratch)


def test_what_cannot_be_read_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def assert_says(path: Path, words: str) -> None:
        with pytest.raises(CheckpointError, match=words):
            load_checkpoint(path)

    assert_says(tmp_path / "none.pt", r"none\.pt could not be read \(No such file or directory\)")
    assert_says(tmp_path, r"could not be read \((Is a directory|Permission denied)\)")
    (tmp_path / "empty.pt").touch()
    assert_says(tmp_path / "empty.pt", r"^empty\.pt is an empty file$")
    (tmp_path / "notes.pt").write_text("the learning rate was too high\n")
    assert_says(tmp_path / "notes.pt", r"notes\.pt is not a checkpoint of tgan_lib")

    def denied(path: Path, mode: str) -> None:
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(checkpoint, "open", denied, raising=False)
    assert_says(tmp_path / "empty.pt", r"empty\.pt could not be read \(Permission denied\)")


# Disks that refuse


@pytest.mark.parametrize("room", [0, 10, 100, 70_000, 199_000])
def test_a_disk_that_is_full_midway_keeps_the_old_checkpoint(tmp_path: Path, room: int) -> None:
    path = tmp_path / "c.pt"
    save_checkpoint(path, BIG | {"step": 1})
    old = path.read_bytes()
    assert len(old) > 200_000
    with quota(room), pytest.raises(CheckpointError) as caught:
        save_checkpoint(path, BIG | {"step": 2})
    assert str(caught.value) == (
        "the checkpoint c.pt could not be saved (File too large); the previous one is untouched"
    )
    assert path.read_bytes() == old
    assert [p.name for p in tmp_path.iterdir()] == ["c.pt"]
    save_checkpoint(path, BIG | {"step": 2})  # and with room again
    assert load_checkpoint(path)["step"] == 2


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="needs /dev/full, a disk without room")
def test_no_space_left_on_the_device(tmp_path: Path) -> None:
    path = tmp_path / "c.pt"
    for state, kept in ((STATE, "nothing was written"), (BIG, "the previous one is untouched")):
        (tmp_path / "c.pt.part").symlink_to("/dev/full")
        with pytest.raises(CheckpointError, match=rf"\(No space left on device\); {kept}"):
            save_checkpoint(path, state)
        assert not os.path.lexists(tmp_path / "c.pt.part")
        save_checkpoint(path, STATE)
        assert load_checkpoint(path)["step"] == 3


class Closing:
    """A file that finds the disk full when it is closed, as network drives do."""

    def __init__(self, path: Path, mode: str) -> None:
        self.file = builtins.open(path, mode)  # noqa: SIM115

    def __enter__(self) -> Any:
        return self.file

    def __exit__(self, *_: object) -> None:
        self.file.close()
        raise OSError(errno.EDQUOT, "Disk quota exceeded")


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO, errno.EDQUOT])
@pytest.mark.parametrize("where", ["fsync", "close", "replace"])
def test_a_failure_after_the_last_byte_keeps_the_old_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, where: str, code: int
) -> None:
    path = tmp_path / "c.pt"
    save_checkpoint(path, STATE)
    old = path.read_bytes()

    def fail(*_: object) -> None:
        raise OSError(code, os.strerror(code))

    if where == "close":
        code = errno.EDQUOT
        monkeypatch.setattr(files, "open", Closing, raising=False)
    else:
        monkeypatch.setattr(os, where, fail)
    with pytest.raises(CheckpointError, match=rf"\({os.strerror(code)}\); the previous one is untouched"):
        save_checkpoint(path, STATE | {"step": 4})
    assert path.read_bytes() == old
    assert [p.name for p in tmp_path.iterdir()] == ["c.pt"]


@pytest.mark.parametrize("code", [errno.EINVAL, errno.ENOTSUP, errno.ENOSYS])
def test_a_drive_without_fsync_is_good_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int
) -> None:
    def missing(descriptor: int) -> None:
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(os, "fsync", missing)
    save_checkpoint(tmp_path / "c.pt", STATE)
    assert load_checkpoint(tmp_path / "c.pt")["step"] == 3


def test_the_bytes_are_on_the_disk_before_the_rename_and_the_rename_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    order: list[str] = []
    fsync, replace = os.fsync, os.replace

    def syncing(descriptor: int) -> None:
        status = os.fstat(descriptor)
        order.append("folder" if stat.S_ISDIR(status.st_mode) else f"file {status.st_size > 200_000}")
        fsync(descriptor)

    def replacing(old: Path, new: Path) -> None:
        order.append("rename")
        replace(old, new)

    monkeypatch.setattr(os, "fsync", syncing)
    monkeypatch.setattr(os, "replace", replacing)
    save_checkpoint(tmp_path / "c.pt", BIG)
    assert order == ["file True", "rename", "folder"]


def test_a_part_that_a_kill_left_is_never_read_and_written_over(tmp_path: Path) -> None:
    path, part = tmp_path / "c.pt", tmp_path / "c.pt.part"
    part.write_bytes(b"x" * 10**6)
    with pytest.raises(CheckpointError, match="No such file"):
        load_checkpoint(path)
    save_checkpoint(path, STATE)
    assert load_checkpoint(path)["step"] == 3
    assert not part.exists()


def test_a_folder_that_cannot_be_is_one_sentence(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CheckpointError, match=r"c\.pt could not be saved \(.+\); nothing was written"):
        save_checkpoint(tmp_path / "file" / "c.pt", STATE)


def test_a_field_on_one_side_only_is_named() -> None:
    refuse_changed({"a": 1, "b": [1, 2]}, {"b": [1, 2], "a": 1}, "here")
    refuse_changed({"a": {"x": [{"y": 1}]}}, {"a": {"x": [{"y": 1.0}]}}, "here")
    with pytest.raises(CheckpointError, match=r"with a\.x\[0\]\.y=1, but a\.x\[0\]\.y=True was"):
        refuse_changed({"a": {"x": [{"y": 1}]}}, {"a": {"x": [{"y": True}]}}, "here")
    with pytest.raises(CheckpointError, match="here holds a run with b=None, but b=2 was asked for"):
        refuse_changed({"a": 1}, {"a": 1, "b": 2}, "here")
