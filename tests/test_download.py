"""`fetch` from a misbehaving server: the right bytes under the name, or nothing and a plain sentence."""

from __future__ import annotations

import hashlib
import io
import threading
from collections.abc import Iterator
from contextlib import nullcontext
from pathlib import Path

import pytest
from bad_server import BadServer, refused_port
from tiny_sets import alone, one_sentence

from tgan_lib.data import DownloadError, download
from tgan_lib.data.download import fetch


@pytest.fixture(autouse=True)
def _nothing_of_this_computer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Each test says what it has."""
    alone(monkeypatch, tmp_path)


@pytest.fixture
def server() -> Iterator[BadServer]:
    with BadServer() as server:
        yield server


CONTENT = bytes(range(256)) * 1000
MD5 = hashlib.md5(CONTENT).hexdigest()
SHA256 = hashlib.sha256(CONTENT).hexdigest()


def test_fetch_gives_the_right_bytes_once(server: BadServer, tmp_path: Path) -> None:
    url = server.put("file", CONTENT)
    path = fetch(url, tmp_path / "new" / "file", sha256=SHA256, md5=MD5.upper())
    assert path.read_bytes() == CONTENT
    fetch(url, path, md5=MD5)
    assert len(server.log) == 1
    assert not path.with_name("file.part").exists()


@pytest.mark.parametrize(
    ("manner", "message"),
    [
        ("404", "answered 404"),
        ("stall", "sent nothing for 0.2 seconds"),
        ("truncate", "broke off after"),
        ("wrong", f"MD5 .* where {MD5} is right; it was deleted"),
        ("wrong-truncate-once", f"MD5 .* where {MD5} is right; it was deleted"),
        ("reset", "127.0.0.1"),
    ],
)
def test_fetch_says_what_went_wrong_and_makes_no_file(
    manner: str, message: str, server: BadServer, tmp_path: Path
) -> None:
    url = server.put("file", CONTENT, manner)
    with pytest.raises(DownloadError, match=message) as caught:
        fetch(url, tmp_path / "file", md5=MD5, timeout=0.2)
    one_sentence(caught.value)
    assert not (tmp_path / "file").exists()
    if manner.startswith("wrong"):
        assert not (tmp_path / "file.part").exists()
    server.manners["file"] = "good"  # and the next try is none the worse for it
    assert fetch(url, tmp_path / "file", md5=MD5).read_bytes() == CONTENT


def test_a_broken_download_goes_on_where_it_broke(server: BadServer, tmp_path: Path) -> None:
    url = server.put("file", CONTENT, "truncate-once")
    assert fetch(url, tmp_path / "file", md5=MD5).read_bytes() == CONTENT
    assert server.log == [("file", None), ("file", f"bytes={len(CONTENT) // 2}-")]


@pytest.mark.parametrize("manner", ["stall", "truncate"])
def test_a_server_that_breaks_off_for_ever_is_given_up_after_a_few_tries(
    manner: str, server: BadServer, tmp_path: Path
) -> None:
    with pytest.raises(DownloadError):
        fetch(server.put("file", CONTENT, manner), tmp_path / "file", md5=MD5, timeout=0.1)
    assert len(server.log) == download.TRIES


@pytest.mark.parametrize("manner", ["good", "no-range"])
@pytest.mark.parametrize(
    "part",
    [CONTENT[:1000], CONTENT, CONTENT + b"more", b"another file's beginning", b"x" * len(CONTENT)],
    ids=["begun", "whole", "too-long", "other", "other-whole"],
)
def test_any_part_left_behind_ends_in_the_right_file(
    part: bytes, manner: str, server: BadServer, tmp_path: Path
) -> None:
    (tmp_path / "file.part").write_bytes(part)
    url = server.put("file", CONTENT, manner)
    assert fetch(url, tmp_path / "file", md5=MD5).read_bytes() == CONTENT
    assert not (tmp_path / "file.part").exists()
    if manner == "good" and part == CONTENT[:1000]:
        assert server.log == [("file", "bytes=1000-")]


def test_mirrors_are_tried_in_turn_and_all_are_named(server: BadServer, tmp_path: Path) -> None:
    nobody = f"http://127.0.0.1:{refused_port()}/file"
    wrong, broken = server.put("wrong", CONTENT, "wrong"), server.put("broken", CONTENT, "truncate")
    with pytest.raises(DownloadError) as caught:
        fetch([nobody, wrong, broken], tmp_path / "file", md5=MD5)
    text = one_sentence(caught.value)
    assert "could not be reached" in text
    assert "is right; it was deleted" in text
    assert "broke off" in text
    good = server.put("good", CONTENT)
    assert fetch([nobody, wrong, broken, good], tmp_path / "file", md5=MD5).read_bytes() == CONTENT


def test_two_at_once_download_once(server: BadServer, tmp_path: Path) -> None:
    url = server.put("file", CONTENT)
    threads = [
        threading.Thread(target=fetch, args=(url, tmp_path / "file"), kwargs={"md5": MD5}) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (tmp_path / "file").read_bytes() == CONTENT
    assert len(server.log) == 1


def test_fetch_wants_a_hash_and_a_disk_that_takes_it(
    server: BadServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = server.put("file", CONTENT)
    with pytest.raises(ValueError, match="no hash"):
        fetch(url, tmp_path / "file")

    class FullDisk(io.BytesIO):
        def write(self, chunk: object) -> int:
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(download, "_one_process", lambda folder: nullcontext())
    monkeypatch.setattr(download, "open", lambda path, mode: FullDisk(), raising=False)
    with pytest.raises(DownloadError, match=r"cannot be written \(No space left on device\)"):
        fetch(url, tmp_path / "file", md5=MD5)
    assert not (tmp_path / "file").exists()
