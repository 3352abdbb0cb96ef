"""A checkpoint is whole or absent, reading one runs no code, and no failure costs the one that was there."""

from __future__ import annotations

import builtins
import errno
import hashlib
import io
import os
import pickle
import shutil
import stat
import tarfile
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from tgan_lib.data import Images, load
from tgan_lib.gan import GAN
from tgan_lib.training import checkpoint
from tgan_lib.training.checkpoint import (
    CheckpointError,
    check_finite,
    load_checkpoint,
    refuse_changed,
    save_checkpoint,
)
from tgan_lib.training.train import train

STATE: dict[str, Any] = {"step": 3, "weights": torch.arange(5.0), "names": ["a", "b"], "nested": {"x": 1.5}}
BIG: dict[str, Any] = {"weights": torch.arange(50_000.0)}


def sealed(data: bytes) -> bytes:
    """A file whose first line is right for whatever `data` is."""
    return f"tgan-checkpoint 2 {hashlib.sha256(data).hexdigest()}\n".encode() + data


def test_round_trip(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "new" / "c.pt", STATE)
    back = load_checkpoint(tmp_path / "new" / "c.pt")
    assert torch.equal(back.pop("weights"), STATE["weights"])
    assert back == {k: v for k, v in STATE.items() if k != "weights"}
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["c.pt"]


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
    scratch.write_bytes(whole.replace(b"tgan-checkpoint 2 ", b"tgan-checkpoint 9 ", 1))
    with pytest.raises(CheckpointError, match=r"version 9; this tgan_lib reads version 2"):
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


# Malice


class Malice:
    """Pickled, this is an order to make a file."""

    def __init__(self, target: Path) -> None:
        self.target = target

    def __reduce__(self) -> tuple[object, tuple[str]]:
        return os.system, (f"touch {self.target}",)


class Build(Malice):
    """An order given while a harmless class is rebuilt."""

    def __reduce__(self) -> tuple[Any, ...]:
        return OrderedDict, (), None, None, iter([("x", Malice(self.target))])


def saved(value: object, **options: Any) -> bytes:
    payload = io.BytesIO()
    torch.save(value, payload, **options)
    return payload.getvalue()


def tarred(value: object) -> bytes:
    """The format of torch before 0.1.10, which its readers opened without asking what it may hold."""
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        for name in ("storages", "tensors", "pickle"):
            member = tarfile.TarInfo(name)
            data = pickle.dumps(value, 2)
            member.size = len(data)
            tar.addfile(member, io.BytesIO(data))
    return file.getvalue()


def scripted(value: object) -> bytes:
    """A zip that torch.load takes for TorchScript, for the sake of a member's name."""
    file = io.BytesIO(saved(value))
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("archive/constants.pkl", b"")
    return file.getvalue()


MALICE: dict[str, Callable[[Path], bytes]] = {
    "saved": lambda target: saved(Malice(target)),
    "saved as torch did before zips": lambda target: saved(
        Malice(target), _use_new_zipfile_serialization=False
    ),
    "pickled": lambda target: pickle.dumps(Malice(target)),
    "pickled by protocol 0": lambda target: pickle.dumps(Malice(target), 0),
    "in a tar": lambda target: tarred(Malice(target)),
    "nested in a state": lambda target: saved(
        STATE | {"networks": {"generator": OrderedDict(w=Malice(target))}}
    ),
    "in a key": lambda target: saved({"step": 1, Malice(target): 2}),
    "in a list of optimisers": lambda target: saved(
        {"optimisers": [{"state": {0: {"exp_avg": Malice(target)}}}]}
    ),
    "while a class is rebuilt": lambda target: saved({"networks": Build(target)}),
    "eval": lambda target: pickle.dumps(Call(eval, f"open({str(target)!r}, 'w')")),
    "saved eval": lambda target: saved({"step": Call(eval, f"open({str(target)!r}, 'w')")}),
    "open": lambda target: saved({"step": Call(open, str(target), "w")}),
    "torch.load itself": lambda target: saved({"step": Call(torch.load, str(target) + ".evil")}),
    "a whole module": lambda target: saved(nn.Linear(2, 2)),
}


class Call:
    """Pickled, this is an order to call `function`."""

    def __init__(self, function: Callable[..., Any], *arguments: Any) -> None:
        self.order = function, arguments

    def __reduce__(self) -> tuple[Callable[..., Any], tuple[Any, ...]]:
        return self.order


@pytest.mark.parametrize("kind", MALICE)
def test_a_malicious_checkpoint_is_refused_and_not_executed(tmp_path: Path, kind: str) -> None:
    target = tmp_path / "executed"
    (tmp_path / "executed.evil").write_bytes(pickle.dumps(Malice(target), 2))
    (tmp_path / "c.pt").write_bytes(sealed(MALICE[kind](target)))
    with pytest.raises(
        CheckpointError, match=r"c\.pt holds something other than plain data and was not loaded"
    ):
        load_checkpoint(tmp_path / "c.pt")
    assert not target.exists()


def test_these_orders_are_obeyed_by_a_reader_that_obeys(tmp_path: Path) -> None:
    """So that the test above could fail."""
    obeyed = set()
    for kind, make in MALICE.items():
        target = tmp_path / kind.replace(" ", "-")
        (tmp_path / "evil").write_bytes(make(target))
        with suppress(Exception):
            torch.load(tmp_path / "evil", weights_only=False)
        if target.exists():
            obeyed.add(kind)
    assert obeyed == MALICE.keys() - {"torch.load itself", "a whole module"}  # which make no file


def test_torchscript_never_reaches_torch_load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever its version does with it; the same for what is not a zip."""

    calls: list[object] = []
    monkeypatch.setattr(torch, "load", lambda *_, **__: calls.append(1))
    for data in (scripted({"step": 1}), tarred({"step": 1}), pickle.dumps({"step": 1})):
        (tmp_path / "c.pt").write_bytes(sealed(data))
        with pytest.raises(CheckpointError, match="other than plain data"):
            load_checkpoint(tmp_path / "c.pt")
    assert not calls
    (tmp_path / "c.pt").write_bytes(sealed(saved({"step": 1})))
    with pytest.raises(CheckpointError, match="other than plain data"):  # this reader's None is no state
        load_checkpoint(tmp_path / "c.pt")
    assert calls == [1]


# Disks that refuse


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
        monkeypatch.setattr(checkpoint, "open", Closing, raising=False)
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


# Weights that are no numbers


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
def test_the_first_weight_that_is_not_finite_is_named(dtype: torch.dtype, value: float) -> None:
    largest = torch.full((300,), torch.finfo(dtype).max, dtype=dtype)  # its norm is not finite; it is
    good = {"net.0.weight": largest, "count": torch.tensor(3), "none": torch.zeros(0, dtype=dtype)}
    check_finite({"generator": good, "discriminator": good})
    for position in (0, 150, 299):
        bad = largest.clone()
        bad[position] = value
        with pytest.raises(FloatingPointError, match=r"^discriminator\.net\.2\.bias is no longer finite"):
            check_finite(
                {"generator": good, "discriminator": good | {"net.2.bias": bad}, "ema": {"net.0.weight": bad}}
            )


def test_no_networks_are_finite() -> None:
    check_finite({})
    check_finite({"generator": {}})


# The same, as a run meets it


@pytest.fixture(scope="module")
def digits() -> Images:
    return load("glyphs:digits", size=28, limit=64, device="cpu")


OPTIONS: dict[str, Any] = {"steps": 3, "batch_size": 8, "save_every": 1, "log_every": 1, "progress": False}


def small(**changes: Any) -> GAN:
    settings: dict[str, Any] = {"network": "dcgan", "size": 28, "latent_dim": 8, "width": 4, "device": "cpu"}
    return GAN.build(**settings | changes)


@pytest.fixture(scope="module")
def begun(digits: Images, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("run")
    train(small(), digits, run_dir=folder, **OPTIONS)
    return folder


@pytest.fixture
def run_dir(begun: Path, tmp_path: Path) -> Path:
    return shutil.copytree(begun, tmp_path / "run")


@pytest.mark.parametrize(
    ("network", "options", "words"),
    [
        ({"network": "mlp"}, {}, "network='dcgan', but network='mlp'"),
        ({"width": 8}, {}, "width=4, but width=8"),
        ({"latent_dim": 9}, {}, "latent_dim=8, but latent_dim=9"),
        ({"size": 32}, {}, "size=28, but size=32"),
        ({}, {"loss": "minimax"}, "loss='non_saturating', but loss='minimax'"),
        ({}, {"batch_size": 4}, "batch_size=8, but batch_size=4"),
        (
            {},
            {"learning_rate": 1e-3},
            r"learning_rates=\[0.0002, 0.0002\], but learning_rates=\[0.001, 0.001\]",
        ),
        ({}, {"learning_rate": (2e-4, 1e-3)}, r"but learning_rates=\[0.0002, 0.001\]"),
        ({}, {"betas": (0.0, 0.9)}, r"betas=\[0.5, 0.999\], but betas=\[0.0, 0.9\]"),
        ({}, {"ema_half_life": 10}, "ema_half_life=5000.0, but ema_half_life=10.0"),
        ({}, {"precision": "bf16"}, "precision='fp32', but precision='bf16'"),
        ({}, {"seed": 1}, "seed=0, but seed=1"),
        ({}, {"limit": 63}, "images=64, but images=63"),
    ],
)
def test_another_run_is_refused_by_the_name_of_what_changed_and_nothing_is_lost(
    digits: Images, run_dir: Path, network: dict[str, Any], options: dict[str, Any], words: str
) -> None:
    old = {p.name: p.read_bytes() for p in run_dir.iterdir()}
    size, limit = network.get("size", 28), options.get("limit", 64)
    images = (
        load("glyphs:digits", size=size, limit=limit, device="cpu") if (size, limit) != (28, 64) else digits
    )
    options = {k: v for k, v in options.items() if k != "limit"}
    with pytest.raises(
        CheckpointError, match=f"holds a run with .*{words} was asked for; go on with the old"
    ):
        train(small(**network), images, run_dir=run_dir, **OPTIONS | {"steps": 9} | options)
    assert {p.name: p.read_bytes() for p in run_dir.iterdir()} == old


DAMAGE: dict[str, tuple[Callable[[bytes], bytes], str]] = {
    "a flipped bit": (lambda data: data[:-500] + bytes([data[-500] ^ 1]) + data[-499:], "is damaged"),
    "truncated": (lambda data: data[: len(data) // 2], "is damaged"),
    "empty": (lambda data: b"", "is an empty file"),
    "another version": (lambda data: data.replace(b" 2 ", b" 7 ", 1), "has checkpoint version 7"),
    "another program's": (lambda data: data[data.index(b"\n") + 1 :], "is not a checkpoint of tgan_lib"),
    "malice": (lambda data: sealed(saved(Call(os.getcwd))), "other than plain data"),
}


@pytest.mark.parametrize("kind", DAMAGE)
def test_an_unreadable_checkpoint_stops_the_run_and_is_not_overwritten(
    digits: Images, run_dir: Path, kind: str
) -> None:
    path = run_dir / "checkpoint.pt"
    damage, words = DAMAGE[kind]
    damaged = damage(path.read_bytes())
    path.write_bytes(damaged)
    gan = small()
    before = {k: v.clone() for k, v in gan.generator.state_dict().items()}
    with pytest.raises(CheckpointError, match=rf"checkpoint\.pt {words}|checkpoint\.pt holds .*{words}"):
        train(gan, digits, run_dir=run_dir, **OPTIONS | {"steps": 9})
    assert path.read_bytes() == damaged
    assert all(torch.equal(v, before[k]) for k, v in gan.generator.state_dict().items())


def test_weights_that_are_no_numbers_are_not_saved(digits: Images, run_dir: Path) -> None:
    """Losses are from before a step's update, so that those of the step that ruins G are still finite."""
    old = (run_dir / "checkpoint.pt").read_bytes()
    gan = small()
    ruin = gan.generator.get_parameter("net.0.weight").register_hook(lambda gradient: gradient * float("inf"))
    with pytest.raises(
        FloatingPointError, match=r"^generator\.net\.0\.weight is no longer finite, so nothing was"
    ):
        train(gan, digits, run_dir=run_dir, **OPTIONS | {"steps": 4})
    ruin.remove()
    assert (run_dir / "checkpoint.pt").read_bytes() == old
    again = small()
    train(again, digits, run_dir=run_dir, **OPTIONS | {"steps": 4})
    assert load_checkpoint(run_dir / "checkpoint.pt")["step"] == 4


def test_a_disk_that_fills_while_training_costs_only_the_steps_since_the_last_save(
    digits: Images, run_dir: Path
) -> None:
    old = (run_dir / "checkpoint.pt").read_bytes()
    with quota(len(old) // 2), pytest.raises(CheckpointError, match="the previous one is untouched"):
        train(small(), digits, run_dir=run_dir, **OPTIONS | {"steps": 5})
    assert (run_dir / "checkpoint.pt").read_bytes() == old
    train(small(), digits, run_dir=run_dir, **OPTIONS | {"steps": 5})
    assert load_checkpoint(run_dir / "checkpoint.pt")["step"] == 5


def test_a_field_on_one_side_only_is_named() -> None:
    refuse_changed({"a": 1, "b": [1, 2]}, {"b": [1, 2], "a": 1}, "here")
    with pytest.raises(CheckpointError, match="here holds a run with b=None, but b=2 was asked for"):
        refuse_changed({"a": 1}, {"a": 1, "b": 2}, "here")
