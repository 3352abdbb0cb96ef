"""Omniglot, CIFAR-10 and Flowers-102 fetched from a misbehaving server, read in place, or drawn in a smoke run."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from bad_server import BadServer, refused_port
from tiny_sets import (
    CIFAR_CLASSES,
    alone,
    everything_below,
    make,
    one_sentence,
    picture,
    stroke,
    tar,
    tiny_cifar,
    tiny_flowers,
    tiny_omniglot,
)

from tgan_lib.data import DATASETS, DownloadError, datasets, download, load


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[BadServer]:
    alone(monkeypatch, tmp_path)
    with BadServer() as server:
        yield server


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder that TGAN_DATA names."""
    alone(monkeypatch, tmp_path)
    monkeypatch.setenv("TGAN_DATA", str(tmp_path / "data"))
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


# ---- Fetching them ----


def published(name: str) -> dict[str, bytes]:
    """What a server would have of a tiny set, by the names of its files."""
    if name == "omniglot":
        return {"images_background.zip": tiny_omniglot()}
    if name == "cifar10":
        return {"cifar-10-binary.tar.gz": tar(tiny_cifar()[0])}
    return tiny_flowers()


@pytest.fixture(params=["omniglot", "cifar10", "flowers102"])
def offered(
    request: pytest.FixtureRequest, server: BadServer, monkeypatch: pytest.MonkeyPatch
) -> tuple[str, dict[str, bytes]]:
    """A tiny set on the server, and the library told its hashes instead of the real ones."""
    name, files = request.param, published(request.param)
    for file, content in files.items():
        server.put(file, content)
    paths = {Path(path).name: path for path in DATASETS[name].files["train"]}
    assert paths.keys() == files.keys()
    hashes = {paths[file]: hashlib.md5(content).hexdigest() for file, content in files.items()}
    tiny = replace(DATASETS[name], files={"train": hashes}, addresses=(server.url("gone"), server.url("")))
    monkeypatch.setitem(DATASETS, name, tiny)
    monkeypatch.setattr(download, "TIMEOUT", 0.2)
    return name, files


def test_a_set_is_fetched_once_and_nothing_is_unpacked(
    offered: tuple[str, dict[str, bytes]],
    server: BadServer,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    name, files = offered
    for file in files:
        server.manners[file] = "truncate-once"
    images = load(name, size=16, device="cpu")
    assert len(images) == {"omniglot": 12, "cifar10": 20, "flowers102": 4}[name]
    title = DATASETS[name].title
    assert capsys.readouterr().out == f"{title} is not here yet; it is being downloaded, once.\n"
    assert [asked for _, asked in server.log if asked] == [f"bytes={len(c) // 2}-" for c in files.values()]
    asked = len(server.log)
    assert torch.equal(load(name, size=16, device="cpu").data, images.data)
    assert len(server.log) == asked
    assert capsys.readouterr().out == ""
    kept = [f for f in everything_below(tmp_path / "cache") if not f.endswith(".lock")]
    assert kept == sorted(DATASETS[name].files["train"])


@pytest.mark.parametrize("manner", ["404", "wrong", "truncate", "stall", "reset"])
def test_a_bad_server_leaves_nothing_that_would_be_read(
    manner: str, offered: tuple[str, dict[str, bytes]], server: BadServer, tmp_path: Path
) -> None:
    name, files = offered
    bad = list(files)[-1]
    server.manners[bad] = manner
    with pytest.raises(DownloadError, match="to go on without the network, set TGAN_DATA") as caught:
        load(name, size=16)
    assert bad in one_sentence(caught.value)
    assert not [f for f in everything_below(tmp_path / "cache") if f.endswith(bad)]
    server.manners[bad] = "good"  # the next try takes up what there is
    assert len(load(name, size=16, device="cpu")) > 0


def test_without_a_network_the_error_says_how_to_go_on(offered: tuple[str, dict[str, bytes]]) -> None:
    name, _ = offered
    with pytest.raises(DownloadError, match=r"could not be reached .* load\('glyphs'\)") as caught:
        load(name, size=16, mirrors=[f"http://127.0.0.1:{refused_port()}"])
    one_sentence(caught.value)
    with pytest.raises(FileNotFoundError, match=r"is not in .*; set TGAN_DATA"):
        load(name, size=16, download=False)


def test_nothing_is_downloaded_into_somebodys_own_folder(home: Path) -> None:
    for name in ("omniglot", "cifar10", "flowers102"):
        with pytest.raises(FileNotFoundError, match=r"is not in .*load\('glyphs'\)"):
            load(name, size=16)
    assert everything_below(home) == []


def test_hostile_names_in_archives_reach_no_disk(home: Path, tmp_path: Path) -> None:
    """Archives are read, not unpacked: whatever a member is called, no file appears."""
    hostile = {"../../evil.bin": b"x", "/evil.bin": b"x", "cifar-10-batches-bin/../../evil": b"x"}
    files, pixels, _ = tiny_cifar()
    make(home, {"cifar-10-binary.tar.gz": tar(hostile | files, links=("cifar-10-batches-bin/link",))})
    out = io.BytesIO(tiny_omniglot())
    with zipfile.ZipFile(out, "a") as archive:
        for climb in ("../../Evil/character01/0.png", "/Evil/character01/1.png"):
            archive.writestr(climb, picture(stroke(3), mode="1"))
    make(home, {"omniglot-py/images_background.zip": out.getvalue()})
    before = everything_below(tmp_path)
    assert np.array_equal(load("cifar10", device="cpu").data.numpy(), pixels[:20])
    assert len(load("omniglot", device="cpu")) == 13  # a name that climbs counts as hidden
    assert everything_below(tmp_path) == before
    assert not Path("/evil.bin").exists()
    assert not Path("/Evil").exists()


def test_addresses_hashes_and_names_are_torchvisions() -> None:
    """Where torchvision knows a set too, we agree with it; CIFAR-10's binary version it does not know."""
    from torchvision import datasets as theirs

    omniglot, flowers = DATASETS["omniglot"], DATASETS["flowers102"]
    assert omniglot.addresses == (theirs.Omniglot.download_url_prefix,)
    for part, md5 in theirs.Omniglot.zips_md5.items():
        ours = omniglot.files["train" if part == "images_background" else "test"]
        assert ours == {f"{theirs.Omniglot.folder}/{part}.zip": md5}
    file_dict = getattr(theirs.Flowers102, "_file_dict", None)
    if file_dict is not None:  # not a public name
        assert flowers.files["train"] == {f"flowers-102/{file}": md5 for file, md5 in file_dict.values()}
        assert flowers.addresses[0] == theirs.Flowers102._download_url_prefix.rstrip("/")
    assert flowers.files["test"] == flowers.files["train"]
    assert len(set(flowers.classes)) == 102
    if hasattr(theirs.Flowers102, "classes"):  # torchvision came to have them late
        assert list(flowers.classes) == list(theirs.Flowers102.classes)
    assert list(DATASETS["cifar10"].classes) == CIFAR_CLASSES


# ---- A smoke run ----


@pytest.mark.parametrize(
    ("name", "size", "shape", "stands_in"),
    [
        ("omniglot", None, (1, 32, 32), "letters"),
        ("omniglot:Latin", 28, (1, 28, 28), "letters"),
        ("omniglot", 8, (1, 8, 8), "letters"),
        ("cifar10", None, (3, 32, 32), "shapes"),
        ("cifar10", 64, (3, 64, 64), "shapes"),
        ("flowers102", 48, (3, 48, 48), "textures"),
    ],
)
def test_a_smoke_run_draws_each_set_in_its_kind(
    name: str,
    size: int | None,
    shape: tuple[int, ...],
    stands_in: str,
    home: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("TGAN_BUDGET", "smoke")
    monkeypatch.setattr(datasets, "fetch", lambda *a, **k: pytest.fail("a smoke run must not download"))
    make(home, {"omniglot-py/images_background.zip": tiny_omniglot()})  # even where the set is at hand
    images = load(name, size=size, limit=30, device="cpu")
    key = name.split(":")[0]
    title = DATASETS[key].title
    assert capsys.readouterr().out == f"This is a smoke run: drawn {stands_in} stand in for {title}.\n"
    assert images.data.shape == (30, *shape)
    assert images.name == f"glyphs:{stands_in} in place of {key}"
    assert images.source == "drawn glyphs"
    if key != "omniglot":
        assert load(key, size=size or 32, limit=3, root=home, device="cpu").source == "drawn glyphs"
        assert "a smoke run downloads nothing" in capsys.readouterr().out
    with pytest.raises(ValueError, match="pass size="):
        load("flowers102")  # what fails in a full run fails in a smoke run
