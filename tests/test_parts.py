"""Which images of a folder or zip are handed out: the part that was asked for, and never another one."""

from __future__ import annotations

import os
import zipfile
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_sets import alone, make, one_sentence, png

from tgan_lib.data import load
from tgan_lib.data.parts import pick_part


@pytest.fixture(autouse=True)
def _nothing_of_this_computer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Each test says what it has."""
    alone(monkeypatch, tmp_path)


def numbered(*names: str) -> dict[str, bytes]:
    """Images of one grey each: 1, 2, ... in the order of `names`."""
    return {name: png(i) for i, name in enumerate(names, 1)}


def greys(path: Path, split: str) -> list[int]:
    found: list[int] = load(path, split=split, device="cpu").data[:, 0, 0, 0].tolist()
    return found


@pytest.mark.parametrize("where", ["set", "set.zip"])
@pytest.mark.parametrize("top", ["", "deep/er/"])
@pytest.mark.parametrize(
    ("train", "val", "test"),
    [("train", "val", "test"), ("Train", "Valid", "TEST"), ("training", "validation", "testing")],
)
def test_parts_are_found_by_any_of_their_names(
    train: str, val: str, test: str, top: str, where: str, tmp_path: Path
) -> None:
    files = numbered(*(f"{top}{part}/{c}/0.png" for part in (train, val, test) for c in ("cat", "dog")))
    path = make(tmp_path / where, files)
    for i, spellings in enumerate((("train", "TRAIN"), ("val", "valid", "Validation"), ("test", "Test"))):
        for split in spellings:
            assert greys(path, split) == [2 * i + 1, 2 * i + 2]
            images = load(path, split=split, device="cpu")
            assert images.class_names == ("cat", "dog")
            assert images.labels is not None
            assert images.labels.tolist() == [0, 1]


@pytest.mark.parametrize("where", ["set", "set.zip"])
@pytest.mark.parametrize(
    ("names", "right"),
    [
        (("0.png", "1.png"), ["train"]),
        (("cat/0.png", "dog/0.png"), ["train"]),
        (("train/0.png", "train/1.png"), ["train"]),
        (("test/0.png", "test/1.png"), ["test"]),
        (("valid/cat/0.png", "valid/dog/0.png"), ["val"]),
        (("train/0.png", "val/0.png"), ["train", "val"]),
        (("train/0.png", "test/0.png"), ["train", "test"]),
        (("train/0.png", "plane/0.png", "car/0.png"), ["train"]),  # a toy train is a class
        (("train/0.png", "0.png"), ["train"]),
    ],
)
def test_a_part_that_is_not_there_is_refused(
    names: tuple[str, ...], right: list[str], where: str, tmp_path: Path
) -> None:
    path = make(tmp_path / where, numbered(*names))
    seen: list[int] = []
    for split in ("train", "val", "test"):
        if split in right:
            seen += greys(path, split)
            continue
        with pytest.raises(
            ValueError, match=rf"no '{split}' part; (hold some images out|it holds)"
        ) as caught:
            load(path, split=split)
        one_sentence(caught.value)
    assert sorted(seen) == list(range(1, len(names) + 1))  # each image in one part, and none is lost


FOLDERS = st.sampled_from(["train", "Train", "val", "valid", "test", "Testing", "cat", "dog", "a.b", ""])


@settings(deadline=None, max_examples=200)
@given(paths=st.lists(st.lists(FOLDERS, min_size=1, max_size=3), min_size=1, max_size=12))
def test_no_image_is_ever_in_two_parts(paths: list[list[str]]) -> None:
    names = [f"{'/'.join(filter(None, folders))}/{i}.png".lstrip("/") for i, folders in enumerate(paths)]
    found: list[str] = []
    for split in ("train", "val", "test"):
        try:
            classes_of, classes = pick_part(names, split, "here")
        except ValueError as error:
            one_sentence(error)
            continue
        assert set(classes_of.values()) <= set(classes)
        found += classes_of
    assert len(found) == len(set(found)), "an image was handed out twice"
    whole = pick_part(names, None, "here")[0]
    assert list(whole) == names


def test_a_class_that_one_part_lacks_shifts_no_number(tmp_path: Path) -> None:
    names = ("train/cat/0.png", "train/dog/0.png", "train/zebra/0.png", "test/cat/0.png", "test/zebra/0.png")
    path = make(tmp_path / "set", numbered(*names))
    train, test = load(path, device="cpu"), load(path, split="test", device="cpu")
    assert train.class_names == test.class_names == ("cat", "dog", "zebra")
    assert test.labels is not None
    assert test.labels.tolist() == [0, 2]


def test_a_flat_test_folder_beside_classes_has_no_labels(tmp_path: Path) -> None:
    path = make(tmp_path / "set", numbered("train/cat/0.png", "train/dog/0.png", "test/0.png", "test/1.png"))
    assert load(path, split="test").labels is None
    train = load(path)
    assert train.class_names == ("cat", "dog")
    assert train.labels is not None


def test_what_lies_beside_two_parts_is_passed_over(tmp_path: Path) -> None:
    path = make(tmp_path / "set", numbered("train/0.png", "test/0.png", "unlabelled/0.png", "logo.png"))
    assert greys(path, "train") == [1]
    assert greys(path, "test") == [2]


def test_links_are_followed_and_not_in_circles(tmp_path: Path) -> None:
    far = make(tmp_path / "far", numbered("0.png", "1.png"))
    folder = make(tmp_path / "set", {"dog/0.png": png(9)})
    try:
        os.symlink(far, folder / "cat")
        os.symlink(far / "1.png", folder / "dog" / "1.png")
        os.symlink(folder, folder / "dog" / "round")
        os.symlink(tmp_path / "nowhere", folder / "dog" / "gone")
    except OSError:
        pytest.skip("links cannot be made here")
    images = load(folder, device="cpu")
    assert images.class_names == ("cat", "dog")
    assert images.data[:, 0, 0, 0].tolist() == [1, 2, 9, 2]
    os.symlink(tmp_path / "nowhere.png", folder / "dog" / "2.png")
    with pytest.raises(
        ValueError, match=r"dog/2\.png in .* cannot be read as an image: No such file"
    ) as caught:
        load(folder)
    one_sentence(caught.value)


def windows_zip(path: Path, files: dict[str, bytes]) -> Path:
    """A zip whose names hold backslashes, as PowerShell 5 writes them."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            info = zipfile.ZipInfo("x")
            info.filename = name.replace("/", "\\")
            archive.writestr(info, content)
    return path


def test_backslashes_in_a_zip_part_folders(tmp_path: Path) -> None:
    files = numbered(*(f"set/{part}/{c}/0.png" for part in ("train", "test") for c in ("cats", "dogs")))
    path = windows_zip(
        tmp_path / "w.zip", files | {"__MACOSX/set/train/cats/._0.png": b"", "set/.x/1.png": b""}
    )
    assert greys(path, "test") == [3, 4]
    assert load(path).class_names == ("cats", "dogs")


def test_of_a_name_that_a_zip_holds_twice_the_last_counts(tmp_path: Path) -> None:
    path = make(tmp_path / "set.zip", numbered("0.png", "1.png"))
    with zipfile.ZipFile(path, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("0.png", png(77))
    assert greys(path, "train") == [77, 2]


def test_dots_in_names_stay(tmp_path: Path) -> None:
    make(tmp_path / "my.photos.v2", numbered("a.b/0.1.png", "c/0.png"))
    images = load(tmp_path / "my.photos.v2")
    assert images.name == "my.photos.v2"
    assert images.class_names == ("a.b", "c")
    assert load(make(tmp_path / "v1.2.zip", numbered("0.png"))).name == "v1.2"


def test_some_of_a_part_are_its_own(tmp_path: Path) -> None:
    path = make(tmp_path / "set", numbered(*(f"{p}/{i}.png" for p in ("train", "test") for i in range(9))))
    some = load(path, split="test", limit=4, device="cpu").data[:, 0, 0, 0]
    assert len(some) == 4
    assert torch.all(some > 9)
