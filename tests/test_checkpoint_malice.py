"""Reading a checkpoint runs no code, whatever its file holds."""

from __future__ import annotations

import io
import os
import pickle
import tarfile
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch
from disks import sealed
from torch import nn

from tgan_lib.training.checkpoint import CheckpointError, load_checkpoint

STATE: dict[str, Any] = {"step": 3, "weights": torch.arange(5.0)}


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
