"""JupyterLab as a process of its own, which is gone afterwards whatever it was doing."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def jupyterlab(folder: Path, environment: Mapping[str, str], log: Path) -> Iterator[str]:
    """The address of a JupyterLab that serves `folder`, which asks for no token and writes to `log`."""
    port = free_port()
    command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--allow-root", "--ip=127.0.0.1"]
    command += [f"--port={port}", "--ServerApp.port_retries=0", f"--ServerApp.root_dir={folder}"]
    command += [
        "--IdentityProvider.token=",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    ]
    address = f"http://127.0.0.1:{port}"
    with open(log, "w") as out:
        server = subprocess.Popen(
            command, env=dict(environment), cwd=folder, stdout=out, stderr=out, start_new_session=True
        )
        try:
            wait_for(f"{address}/api", server, log)
            yield address
        finally:
            stop(server)


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def wait_for(url: str, server: subprocess.Popen[bytes], log: Path, seconds: float = 60) -> None:
    """Returns when `url` answers; fails with the end of the log when the server ends or stays silent."""
    until = time.monotonic() + seconds
    while time.monotonic() < until and server.poll() is None:
        try:
            urllib.request.urlopen(url, timeout=5).close()
            return
        except OSError:
            time.sleep(0.3)
    pytest.fail(f"JupyterLab did not start:\n{log.read_text()[-3000:]}", pytrace=False)


def stop(server: subprocess.Popen[bytes], seconds: float = 10) -> None:
    """Ask it to end, then end it: a kernel at work on a busy machine can hold it up for minutes, and nothing here
    is about how JupyterLab ends. A kernel ends by itself when its parent is gone."""
    server.terminate()
    try:
        server.wait(seconds)
    except subprocess.TimeoutExpired:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()
