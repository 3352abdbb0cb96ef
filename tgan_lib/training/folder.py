"""A run's folder is one run's at a time, and whether it can be written is known before the first step.

The lock is a file, `run.lock`, that says which process made it, on which host; a new file can be made by one only,
on mounted drives too, where locks of the operating system often fail. Its owner touches it every `BEAT` seconds. It
is stale, and taken over, when its owner was on this host and is no more, or when it has not been touched for `STALE`
seconds: a session that was cut off elsewhere can say nothing, and its clock is nearly ours.
"""

from __future__ import annotations

import json
import os
import platform
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ..distributed import World
from .checkpoint import CheckpointError

LOCK = "run.lock"
BEAT, STALE = 30.0, 150.0
WRITING = 5.0  # seconds after which a lock that says nothing was made by a process that died over it
_held: set[Path] = set()  # by this process


@contextmanager
def opened(folder: Path | None, world: World) -> Iterator[CheckpointError | None]:
    """Inside, the folder is this run's; yields why it is not, in a sentence: what wants to write there raises that.

    A finished run may be looked at wherever it can be read, so it is not raised here. The first process of several
    holds the lock, and all of them are told. CheckpointError if the folder is a file.
    """
    if folder is None:
        yield None
        return
    with suppress(OSError):
        if folder.exists() and not folder.is_dir():
            raise CheckpointError(
                f"run_dir is {folder}, which is a file; a folder, new or of this run, is right"
            )
    refusal, ours = None, world.rank == 0
    if ours:
        refusal = take(folder)
    if world.any(refusal is not None) and refusal is None:
        refusal = CheckpointError(f"the first process may not write in {folder}; it says why")
    stop = threading.Event()
    if ours and refusal is None:
        threading.Thread(target=beat, args=(folder / LOCK, stop), daemon=True).start()
    try:
        yield refusal
    finally:
        stop.set()
        if ours and refusal is None:
            release(folder)


def take(folder: Path) -> CheckpointError | None:
    """Lock the folder, made if need be; the reason if that cannot be."""
    path = folder / LOCK
    mine = json.dumps({"host": platform.node(), "pid": os.getpid(), "begun": time.time()})
    stale = False
    try:
        folder.mkdir(parents=True, exist_ok=True)
        while True:
            try:
                with open(path, "x") as file:
                    file.write(mine)
                break
            except FileExistsError:
                if owner := owner_of(path):
                    return CheckpointError(
                        f"another run is training in {folder} ({owner}); wait for it, or choose another run_dir; if "
                        f"it is no longer there, delete {path.name}"
                    )
                path.unlink(missing_ok=True)
                stale = True
        if stale:  # another may have found it stale too, and taken ours for that one
            time.sleep(0.2)
            if path.read_text() != mine:
                return CheckpointError(f"another run has just begun in {folder}; choose another run_dir")
    except OSError as error:
        return CheckpointError(
            f"nothing can be written in {folder} ({error.strerror or error}); choose another run_dir"
        )
    _held.add(path.resolve())
    return None


def release(folder: Path) -> None:
    """Give the folder back."""
    path = folder / LOCK
    _held.discard(path.resolve())
    with suppress(OSError):
        path.unlink()


def beat(path: Path, stop: threading.Event) -> None:
    """Touch the lock, by this host's clock, until `stop`."""
    while not stop.wait(BEAT):
        with suppress(OSError):
            os.utime(path, (time.time(), time.time()))


def owner_of(path: Path) -> str | None:
    """Who holds the lock, in words; None for a lock that is stale, or gone."""
    try:
        age = time.time() - path.stat().st_mtime
        text = path.read_text()
    except FileNotFoundError:
        return None
    try:
        said: dict[str, Any] = json.loads(text)
        host, pid = str(said["host"]), int(said["pid"])
    except (ValueError, TypeError, KeyError):  # torn, or being written now
        return "it has just begun" if age < WRITING else None
    here = host == platform.node()
    if (here and not runs(path, pid)) or (not (here and os.name == "posix") and age > STALE):
        return None
    return f"process {pid} on {host}, heard of {max(age, 0):.0f} s ago"


def runs(path: Path, pid: int) -> bool:
    """Whether the process `pid` of this host may hold the lock at `path`; a zombie does not."""
    if pid == os.getpid():  # or else one of the same number in a container that is no more
        return path.resolve() in _held
    if os.name != "posix":  # asking kills there
        return True
    with suppress(OSError, IndexError):
        if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "ZX":
            return False
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):  # another user's, which runs
        return True
    return True
