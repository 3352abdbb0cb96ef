"""Omniglot, CIFAR-10 and Flowers-102 from tiny archives and a misbehaving server; few-shot sets and parts."""

from __future__ import annotations

import hashlib
import io
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import real_data
import torch
from bad_server import BadServer, refused_port
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from scipy.io import savemat

from tgan_lib.data import DATASETS, DownloadError, Images, datasets, download, few_shot, load, reading, split

CIFAR_CLASSES = ["airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck"]


def alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No data, no cache, no proxy, no smoke."""
    monkeypatch.delenv("TGAN_DATA", raising=False)
    monkeypatch.setenv("TGAN_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TGAN_BUDGET", "cpu")
    monkeypatch.setenv("no_proxy", "*")


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


def one_sentence(error: BaseException) -> str:
    text = str(error)
    assert text
    assert "\n" not in text
    return text


# ---- Tiny archives in the published layouts ----


def picture(pixels: np.ndarray, kind: str = "PNG", mode: str | None = None) -> bytes:
    out = io.BytesIO()
    image = Image.fromarray(pixels)
    (image.convert(mode) if mode else image).save(out, kind)
    return out.getvalue()


def stroke(where: int) -> np.ndarray:
    """Ink is black on white, as in Omniglot: one column of it."""
    pixels = np.full((105, 105), 255, np.uint8)
    pixels[10:90, where : where + 3] = 0
    return pixels


ALPHABETS = {"Greek": 2, "Japanese_(katakana)": 1, "Latin": 3}


def tiny_omniglot(pattern: str = "images_background/{}/character{:02d}/{}.png") -> bytes:
    """Three alphabets, two drawings of each character, one bit a pixel; a hostile name or two among them."""
    out, where = io.BytesIO(), 5
    with zipfile.ZipFile(out, "w") as archive:
        for alphabet, characters in ALPHABETS.items():
            for number in range(1, characters + 1):
                for drawer in range(2):
                    name = pattern.format(alphabet, number, f"{drawer:04d}")
                    archive.writestr(name, picture(stroke(where), mode="1"))
                    where += 4
    return out.getvalue()


def tar(files: dict[str, bytes], links: tuple[str, ...] = ()) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w:gz") as archive:
        for name in links:
            info = tarfile.TarInfo(name)
            info.type, info.linkname = tarfile.SYMTYPE, "/etc/passwd"
            archive.addfile(info)
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return out.getvalue()


def tiny_cifar(n: int = 4) -> tuple[dict[str, bytes], np.ndarray, np.ndarray]:
    """The members of a binary CIFAR-10 of 6n images, its pixels and its labels; the test batch comes last."""
    rng = np.random.default_rng(0)
    pixels = rng.integers(0, 256, (6 * n, 3, 32, 32), dtype=np.uint8)
    labels = (np.arange(6 * n) * 7 % 10).astype(np.uint8)
    records = np.concatenate([labels[:, None], pixels.reshape(6 * n, -1)], axis=1)
    names = [f"data_batch_{i}" for i in range(1, 6)] + ["test_batch"]
    files = {
        f"cifar-10-batches-bin/{name}.bin": records[i * n : (i + 1) * n].tobytes()
        for i, name in enumerate(names)
    }
    return {"cifar-10-batches-bin/readme.html": b"<html>"} | files, pixels, labels


FLOWER_LABELS = np.array([1, 1, 2, 102, 2, 1, 2, 102, 5])  # of photographs 1 to 9
FLOWER_PARTS = {"trnid": [8, 1, 3], "valid": [2], "tstid": [9, 4, 5, 6, 7]}


def tiny_flowers() -> dict[str, bytes]:
    """Nine photographs of nine sizes, each of one colour, 20 times its number; and the two MATLAB files."""
    photos = {
        f"jpg/image_{i:05d}.jpg": picture(np.full((20 + i, 40 - i, 3), 20 * i, np.uint8), "JPEG")
        for i in range(1, 10)
    }
    files = {"102flowers.tgz": tar(dict(reversed(photos.items())))}  # members in no particular order
    for name, content in (
        ("imagelabels.mat", {"labels": FLOWER_LABELS[None].astype(np.uint8)}),
        ("setid.mat", {k: np.array([v], dtype=np.uint16) for k, v in FLOWER_PARTS.items()}),
    ):
        out = io.BytesIO()
        savemat(out, content)
        files[name] = out.getvalue()
    return files


def put(root: Path, files: dict[str, bytes]) -> None:
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)


def everything_below(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


# ---- Omniglot ----


@pytest.mark.parametrize(
    ("path", "pattern", "source"),
    [
        (
            "omniglot-py/images_background.zip",
            "images_background/{}/character{:02d}/{}.png",
            "the files of Omniglot",
        ),
        (
            "omniglot-small.zip",
            "omniglot-small/{}_character{:02d}/{}.png",
            "omniglot-small.zip, some of Omniglot's alphabets",
        ),
    ],
)
def test_omniglot_is_white_on_black_and_a_character_is_a_class(
    path: str, pattern: str, source: str, home: Path
) -> None:
    put(home, {path: tiny_omniglot(pattern)})
    images = load("omniglot", device="cpu")
    assert images.data.shape == (12, 1, 105, 105)
    assert images.data.float().mean() / 255 == pytest.approx(80 * 3 / 105**2)
    assert torch.equal(images.data[0, 0], torch.from_numpy(255 - stroke(5)))
    assert images.labels is not None
    assert images.labels.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5]
    assert images.class_names[0] == "Greek_character01"
    assert images.class_names[-1] == "Latin_character03"
    assert (images.name, images.source) == ("omniglot", source)
    assert load("omniglot", size=28, channels=3, device="cpu").data.shape == (12, 3, 28, 28)
    assert load("omniglot", size=28, device="cpu").data.float().mean() / 255 == pytest.approx(
        80 * 3 / 105**2,
        rel=0.1,  # what bicubic would make blacker than black is cut off
    )


def test_some_alphabets_of_omniglot(home: Path) -> None:
    put(home, {"omniglot-py/images_background.zip": tiny_omniglot()})
    whole = load("omniglot", device="cpu")
    some = load("omniglot:latin, Greek", device="cpu")
    assert some.labels is not None
    assert some.labels.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4, 4]
    assert {name.split("_")[0] for name in some.class_names} == {"Greek", "Latin"}
    assert torch.equal(some.data, whole.data[[0, 1, 2, 3, 6, 7, 8, 9, 10, 11]])
    assert some.name == "omniglot:latin, Greek"
    assert len(load("Omniglot:Japanese_katakana", device="cpu")) == 2
    assert len(load("omniglot:Latin", limit=3, device="cpu")) == 3
    with pytest.raises(ValueError, match=r"no alphabet in images_background\.zip named 'Greak' .*'Greek'"):
        load("omniglot:Greak", device="cpu")
    with pytest.raises(ValueError, match="only omniglot has parts"):
        load("mnist:3")
    with pytest.raises(FileNotFoundError, match="images_evaluation"):
        load("omniglot", split="test")
    put(
        home,
        {"omniglot-py/images_evaluation.zip": tiny_omniglot("images_evaluation/X{}/character{:02d}/{}.png")},
    )
    assert load("omniglot", split="test", device="cpu").class_names[0] == "XGreek_character01"


# ---- CIFAR-10 ----


def test_cifar10_is_read_from_the_binary_archive(home: Path) -> None:
    files, pixels, labels = tiny_cifar()
    put(home, {"cifar-10-binary.tar.gz": tar(files)})
    images = load("cifar10", device="cpu")
    assert np.array_equal(images.data.numpy(), pixels[:20])
    assert images.labels is not None
    assert images.labels.tolist() == labels[:20].tolist()
    assert images.labels.dtype == torch.int64
    assert list(images.class_names) == CIFAR_CLASSES
    assert images.source == "the files of CIFAR-10"
    assert np.array_equal(load("cifar10", split="test", device="cpu").data.numpy(), pixels[20:])
    few = load("cifar10", limit=5, device="cpu")
    assert len(few) == 5
    assert torch.equal(few.data, load("cifar10", limit=5, device="cpu").data)
    assert load("cifar10", size=16, channels=1, device="cpu").data.shape == (20, 1, 16, 16)


def test_the_jpeg_copy_of_cifar10_says_what_it_is_and_the_real_one_comes_first(home: Path) -> None:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as archive:
        for i, name in enumerate(CIFAR_CLASSES):
            archive.writestr(
                f"cifar10-jpeg/test/{name}/0000.jpg", picture(np.full((32, 32, 3), 20 * i, np.uint8), "JPEG")
            )
    put(home, {"cifar10-jpeg-test.zip": out.getvalue()})
    images = load("cifar10", split="test", device="cpu")
    assert images.data[:, 0, 0, 0].tolist() == [20 * i for i in range(10)]
    assert images.labels is not None
    assert images.labels.tolist() == list(range(10))
    assert list(images.class_names) == CIFAR_CLASSES
    assert "JPEG copy of CIFAR-10" in repr(images)
    assert "not comparable" in repr(images)
    with pytest.raises(FileNotFoundError, match=r"CIFAR-10 is not in .*cifar-10-binary\.tar\.gz"):
        load("cifar10")
    put(home, {"cifar-10-binary.tar.gz": tar(tiny_cifar()[0])})
    assert load("cifar10", split="test", device="cpu").source == "the files of CIFAR-10"


def changed(name: str, content: bytes | None) -> Callable[[dict[str, bytes]], bytes]:
    """A tar.gz of the files with one of them changed, or left out."""

    def make(files: dict[str, bytes]) -> bytes:
        files = {k: v for k, v in files.items() if k != name or content is not None}
        return tar(files | ({} if content is None else {name: content}))

    return make


BATCH = "cifar-10-batches-bin/data_batch_3.bin"


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (changed(BATCH, None), "holds no cifar-10-batches-bin/data_batch_3.bin"),
        (changed(BATCH, bytes(3072)), "is not the binary version"),
        (changed(BATCH, bytes([10]) + bytes(3072)), "is not the binary version"),
        (lambda files: tar(files)[:2000], "cannot be read as a tar.gz"),
        (lambda files: b"<html>sign in to the network</html>", "cannot be read as a tar.gz"),
        (lambda files: b"", "cannot be read as a tar.gz"),
        (lambda files: tar({k: v for k, v in files.items() if k != BATCH}, links=(BATCH,)), "holds no"),
    ],
)
def test_a_damaged_cifar10_archive_is_named(
    damage: Callable[[dict[str, bytes]], bytes], message: str, home: Path
) -> None:
    put(home, {"cifar-10-binary.tar.gz": damage(tiny_cifar()[0])})
    with pytest.raises(
        ValueError, match=rf"cifar-10-binary\.tar\.gz {message}.*delete it and load again"
    ) as e:
        load("cifar10")
    one_sentence(e.value)


def test_a_member_that_unpacks_to_too_much_is_refused(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    put(home, {"cifar-10-binary.tar.gz": tar(tiny_cifar()[0])})
    monkeypatch.setattr(reading, "MAX_FILE_BYTES", 2**10)
    with pytest.raises(ValueError, match="unpacks to more than"):
        load("cifar10")


# ---- Flowers-102 ----


def test_flowers102_has_its_parts_labels_and_squares(home: Path) -> None:
    put(home, {f"flowers-102/{name}": content for name, content in tiny_flowers().items()})
    train, test = (load("flowers102", size=16, split=s, device="cpu") for s in ("train", "test"))
    for images, ids in ((train, [1, 2, 3, 8]), (test, [4, 5, 6, 7, 9])):
        assert images.data.shape == (len(ids), 3, 16, 16)
        colours = images.data.float().flatten(1).mean(1)
        assert torch.allclose(colours, torch.tensor([20.0 * i for i in ids]), atol=1.5)
        assert images.labels is not None
        assert images.labels.tolist() == [FLOWER_LABELS[i - 1] - 1 for i in ids]
        assert len(images.class_names) == 102
        assert images.class_names[0] == "pink primrose"
    assert train.labels is not None
    by_colour = {int(x[0, 0, 0]): int(y) for x, y in zip(train.data, train.labels, strict=True)}
    for limit in (1, 2, 3):
        few = load("flowers102", size=16, limit=limit, device="cpu")
        assert few.labels is not None
        assert few.labels.tolist() == [by_colour[int(x[0, 0, 0])] for x in few.data]
        assert len(few) == limit
    with pytest.raises(ValueError, match=r"flowers102 has photographs of many sizes; pass size="):
        load("flowers102")


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("setid.mat", b"not MATLAB", "cannot be read as Flowers-102's"),
        ("imagelabels.mat", b"", "cannot be read as Flowers-102's"),
        ("102flowers.tgz", tar({}), "holds no jpg/image_00001.jpg"),
    ],
    ids=["splits", "labels", "pictures"],  # an archive's bytes hold the time
)
def test_damaged_flowers_are_named(name: str, content: bytes, message: str, home: Path) -> None:
    put(home, {f"flowers-102/{k}": v for k, v in (tiny_flowers() | {name: content}).items()})
    with pytest.raises(ValueError, match=rf"{name}.*{message}|{message}.*{name}|{message}") as caught:
        load("flowers102", size=16)
    assert "load again" in one_sentence(caught.value)


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
    put(home, {"cifar-10-binary.tar.gz": tar(hostile | files, links=("cifar-10-batches-bin/link",))})
    out = io.BytesIO(tiny_omniglot())
    with zipfile.ZipFile(out, "a") as archive:
        for climb in ("../../Evil/character01/0.png", "/Evil/character01/1.png"):
            archive.writestr(climb, picture(stroke(3), mode="1"))
    put(home, {"omniglot-py/images_background.zip": out.getvalue()})
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
    put(home, {"omniglot-py/images_background.zip": tiny_omniglot()})  # even where the set is at hand
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


# ---- Few of each class, and two parts ----


def labelled(labels: list[int] | torch.Tensor | None, n: int | None = None) -> Images:
    """Images whose pixels are their own number."""
    count = n if labels is None else len(labels)
    assert count is not None
    numbers = torch.arange(count)
    pixels = torch.stack([numbers // 256, numbers % 256, numbers * 0, numbers * 0], dim=1)
    names = ("a", "b", "c", "d", "e")
    return Images(
        pixels.byte().view(-1, 1, 2, 2), None if labels is None else torch.as_tensor(labels).long(), names
    )


def numbers_of(images: Images) -> list[int]:
    return (images.data[:, 0, 0, 0].long() * 256 + images.data[:, 0, 0, 1].long()).tolist()


def counts_of(images: Images) -> list[int]:
    assert images.labels is not None
    return images.labels.unique(return_counts=True)[1].tolist()


@settings(deadline=None, max_examples=60)
@given(
    labels=st.lists(st.integers(0, 4), min_size=1, max_size=60), seed=st.integers(0, 2**31), data=st.data()
)
def test_few_shot_is_even_nested_and_without_repeats(
    labels: list[int], seed: int, data: st.DataObject
) -> None:
    images = labelled(labels)
    more = data.draw(st.integers(1, len(images)))
    fewer = data.draw(st.integers(1, more))
    large, small = few_shot(images, more, seed=seed), few_shot(images, fewer, seed=seed)
    assert len(set(numbers_of(large))) == more
    assert numbers_of(small) == numbers_of(large)[:fewer]
    assert large.labels is not None
    assert [labels[i] for i in numbers_of(large)] == large.labels.tolist()
    # As even as can be: no class could give one more so that another, two or more ahead, gives one less.
    taken = {c: large.labels.tolist().count(c) for c in set(labels)}
    most = max(taken.values())
    assert all(count >= most - 1 or count == labels.count(c) for c, count in taken.items())


def test_few_shot_takes_turns_and_depends_on_the_seed() -> None:
    images = labelled(torch.arange(300) % 3)
    assert sorted(counts_of(few_shot(images, 10, seed=1))) == [3, 3, 4]
    assert counts_of(few_shot(images, 300)) == [100, 100, 100]
    assert counts_of(few_shot(images, per_class=7)) == [7, 7, 7]
    assert numbers_of(few_shot(images, per_class=7)) == numbers_of(few_shot(images, 21))
    ones = [few_shot(images, 1, seed=seed) for seed in range(40)]
    assert {int(one.labels[0]) for one in ones if one.labels is not None} == {0, 1, 2}
    assert len({tuple(numbers_of(few_shot(images, 9, seed=seed))) for seed in range(20)}) == 20
    before = torch.get_rng_state()
    few_shot(images, 10)
    split(images, 0.5)
    assert torch.equal(torch.get_rng_state(), before)


def test_few_shot_picks_without_favour() -> None:
    """Over many seeds each image of a class comes up as often as another: 2 of 10, four standard errors."""
    images = labelled(torch.arange(20) % 2)
    hits = torch.zeros(20)
    for seed in range(1000):
        hits[numbers_of(few_shot(images, 4, seed=seed))] += 1
    assert (hits / 1000 - 0.2).abs().max() < 4 * (0.2 * 0.8 / 1000) ** 0.5


def test_few_shot_of_uneven_and_unlabelled_images() -> None:
    uneven = labelled([0] * 2 + [1] * 50 + [3] * 50)  # class c has none at all
    assert counts_of(few_shot(uneven, 12)) == [2, 5, 5]
    plain = labelled(None, 50)
    assert len(set(numbers_of(few_shot(plain, 10)))) == 10
    assert few_shot(plain, 10).labels is None


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "n is None and per_class None; exactly one"),
        ({"n": 3, "per_class": 1}, "n is 3 and per_class 1; exactly one"),
        ({"n": 0}, "n is 0 and there are 9 images; 1 to 9"),
        ({"n": 10}, "n is 10 and there are 9 images; 1 to 9"),
        ({"per_class": 3}, "per_class is 3 and class 'b' has 2 images; 1 to 2"),
        ({"per_class": 0}, "per_class is 0"),
    ],
)
def test_few_shot_says_what_would_be_right(arguments: dict[str, int], message: str) -> None:
    with pytest.raises(ValueError, match=message) as caught:
        few_shot(labelled([0, 0, 0, 1, 1, 2, 2, 2, 2]), **arguments)  # type: ignore[arg-type]
    one_sentence(caught.value)


def test_per_class_needs_labels_and_choosing_needs_images() -> None:
    with pytest.raises(ValueError, match="per_class needs labels"):
        few_shot(labelled(None, 5), per_class=1)
    nothing = labelled([])
    for choose in (lambda: few_shot(nothing, 1), lambda: few_shot(nothing, per_class=1)):
        with pytest.raises(ValueError, match="no images to choose from"):
            choose()


@settings(deadline=None, max_examples=60)
@given(
    labels=st.lists(st.integers(0, 4), min_size=2, max_size=60),
    share=st.floats(0.01, 0.99),
    seed=st.integers(0, 2**31),
)
def test_parts_share_nothing_and_each_class_is_split_alike(
    labels: list[int], share: float, seed: int
) -> None:
    images = labelled(labels)
    size = int(np.floor(share * len(labels) + 0.5))
    if not 0 < size < len(labels):
        with pytest.raises(ValueError, match="leaves a part empty"):
            split(images, share, seed)
        return
    first, second = split(images, share, seed)
    assert sorted(numbers_of(first) + numbers_of(second)) == list(range(len(labels)))
    assert numbers_of(first) == sorted(numbers_of(first))
    assert len(first) == size
    assert first.labels is not None
    for c in set(labels):
        assert abs(first.labels.tolist().count(c) - share * labels.count(c)) <= 1 + 1e-9
    assert numbers_of(split(images, share, seed)[0]) == numbers_of(first)


def test_parts_of_known_sizes() -> None:
    images = labelled(torch.arange(200) % 4)
    training, validation = split(images, 0.9)
    assert counts_of(training) == [45] * 4
    assert counts_of(validation) == [5] * 4
    assert numbers_of(split(images, 0.9, seed=1)[1]) != numbers_of(validation)
    first, second = split(labelled(None, 10), 0.3)
    assert (len(first), len(second), first.labels) == (3, 7, None)
    for share in (0.0, 1.0, -1.0, float("nan"), 0.001):
        with pytest.raises(ValueError, match=r"share is .* a share between 0 and 1") as caught:
            split(images, share)
        one_sentence(caught.value)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="there is no GPU here")
def test_the_same_images_are_chosen_on_a_gpu() -> None:
    images = labelled(torch.arange(300) % 3)
    assert numbers_of(few_shot(images.to("cuda"), 10)) == numbers_of(few_shot(images, 10))
    assert numbers_of(split(images.to("cuda"), 0.3)[0]) == numbers_of(split(images, 0.3)[0])


# ---- The real ones ----


def test_real_omniglot() -> None:
    images = real_data.omniglot("Latin,Greek", size=28)
    assert images.data.shape == (1000, 1, 28, 28)
    assert counts_of(images) == [20] * 50
    assert sum(name.startswith("Latin_") for name in images.class_names) == 26
    assert 0.05 < images.data.float().mean() / 255 < 0.12  # thin white strokes on black


def test_real_cifar10() -> None:
    images = real_data.cifar10("test", limit=2000)
    assert images.data.shape == (2000, 3, 32, 32)
    assert list(images.class_names) == CIFAR_CLASSES
    means = images.data.float().mean((0, 2, 3)) / 255
    assert torch.allclose(means, torch.tensor([0.4914, 0.4822, 0.4465]), atol=0.02)
    assert min(counts_of(images)) > 100
