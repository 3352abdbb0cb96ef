"""Fetching a file so that either the right bytes stand under its name, or nothing does.

A file grows under `NAME.part`. A part is taken up where it ended, its hash is checked, and only then does it
get its name. Nothing that reads data ever opens a part.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit

from ..errors import as_path, real_number

TIMEOUT = 20.0  # seconds without a single byte
TRIES = 4  # at one address, and only while each brings the file further


class DownloadError(RuntimeError):
    """A file could not be fetched; the message says what each address answered."""


def fetch(
    urls: str | Sequence[str],
    path: str | os.PathLike[str],
    *,
    md5: str | None = None,
    sha256: str | None = None,
    timeout: float | None = None,
) -> Path:
    """Download the first of `urls` that gives the right bytes to `path`, and return the path.

    A file already at `path` is taken as it is. Otherwise `path.part` grows, is resumed where the server does
    that (HTTP Range), is checked against the hash, and is renamed. A part with a wrong hash is deleted.
    `timeout` is in seconds without a byte, 20 by default. Raises DownloadError: what every address answered.
    """
    if md5 is None and sha256 is None:
        raise ValueError(
            "fetch was given no hash; md5= or sha256= is needed, to know the right file when it comes"
        )
    path = as_path("path", path)
    wait = TIMEOUT if timeout is None else real_number("timeout", timeout, above=0)
    reasons: list[str] = []
    with _one_process(path.parent):
        if path.exists():  # it was here, or another process has just fetched it
            return path
        for url in [urls] if isinstance(urls, str) else urls:
            reason = _fetch_from(url, path, md5, sha256, wait)
            if reason is None:
                return path
            reasons.append(f"{urlsplit(url).netloc} {reason}")
    raise DownloadError(
        f"{path.name} could not be downloaded: {'; '.join(reasons) or 'no address was given'}"
    )


def _fetch_from(url: str, path: Path, md5: str | None, sha256: str | None, timeout: float) -> str | None:
    """Try one address while each try brings the part further; None when done, else what went wrong."""
    part = path.with_name(path.name + ".part")
    found_a_part = _size(part) > 0
    reason = ""
    for _ in range(TRIES):
        before = _size(part)
        try:
            _receive(url, part, timeout)
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason = _in_words(error, timeout)
            if _size(part) > before:
                continue
            return reason
        wrong = _wrong_hash(part, md5, sha256)
        if wrong is None:
            os.replace(part, path)
            return None
        part.unlink(missing_ok=True)
        if not found_a_part:
            return wrong
        found_a_part, reason = False, wrong  # the part may have begun something else: once more, from nothing
    return reason


def _receive(url: str, part: Path, timeout: float) -> None:
    """Append the rest of the file to `part`, or write all of it where the server does not do ranges."""
    start = _size(part)
    headers = {"User-Agent": "tgan_lib", "Accept-Encoding": "identity"}
    if start:
        headers["Range"] = f"bytes={start}-"
    try:
        answer = urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=timeout)
    except urllib.error.HTTPError as error:
        error.close()
        if start and error.code == 416:
            return  # there is nothing after our last byte: the part is whole, or the hash will tell
        raise
    with answer:
        if answer.status != 206 or not answer.headers.get("Content-Range", "").startswith(f"bytes {start}-"):
            start = 0
        with _our_disk(part), open(part, "ab" if start else "wb"):
            pass
        with open(part, "ab") as file:
            while chunk := answer.read1(1 << 16):
                with _our_disk(part):
                    file.write(chunk)
        length = answer.headers.get("Content-Length")
    if length is not None and _size(part) - start < int(length):
        raise http.client.HTTPException(f"broke off after {_size(part)} of {start + int(length)} bytes")


def _in_words(error: Exception, timeout: float) -> str:
    """What went wrong, in a few words that read on after the server's name."""
    if isinstance(error, urllib.error.HTTPError):
        return f"answered {error.code} {error.reason}"
    cause = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(cause, TimeoutError):
        return f"sent nothing for {timeout:g} seconds"
    if isinstance(cause, OSError) and cause.strerror:
        return f"could not be reached ({cause.strerror})"
    return str(cause) or type(cause).__name__


def _wrong_hash(part: Path, md5: str | None, sha256: str | None) -> str | None:
    """None when `part` has the hash that was asked for, else words that say which it has."""
    for name, right in (("md5", md5), ("sha256", sha256)):
        digest = hashlib.new(name, usedforsecurity=False)
        with open(part, "rb") as file:
            while chunk := file.read(1 << 20):
                digest.update(chunk)
        if right is not None and digest.hexdigest() != right.lower():
            return (
                f"sent a file of {name.upper()} {digest.hexdigest()} where {right} is right; it was deleted"
            )
    return None


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


@contextmanager
def _our_disk(path: Path) -> Iterator[None]:
    """Inside, an OSError is the disk's and no server's: a DownloadError that names the path."""
    try:
        yield
    except OSError as error:
        raise DownloadError(f"{path} cannot be written ({error.strerror or error})") from error


@contextmanager
def _one_process(folder: Path) -> Iterator[None]:
    """Wait until no other process fetches into `folder`: two notebooks may want the same file at once.

    Where there are no such locks (Windows, some network drives) we go on without; the hash guards the file.
    DownloadError where the folder cannot be made or written.
    """
    with _our_disk(folder):
        folder.mkdir(parents=True, exist_ok=True)
        (folder / ".lock").touch()
    with open(folder / ".lock", "w") as lock:
        with suppress(ImportError, OSError):
            import fcntl

            fcntl.flock(lock, fcntl.LOCK_EX)
        yield
