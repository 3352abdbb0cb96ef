"""A web server on this computer that misbehaves on demand, so that downloads are tested without a network."""

from __future__ import annotations

import socket
import struct
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType


class BadServer:
    """Serves `files[path]` in the manner of `manners[path]`, and keeps a log of (path, Range header or None).

    Manners: "good" (with ranges), "no-range" (always the whole file), "truncate" (promises the whole file and
    closes half-way, from wherever it was asked to start), "truncate-once", "stall" (half, then silence),
    "wrong" (other bytes of the same length), "wrong-truncate-once", "404", "reset" (cuts the connection).
    """

    def __init__(self) -> None:
        self.files: dict[str, bytes] = {}
        self.manners: dict[str, str] = {}
        self.log: list[tuple[str, str | None]] = []
        self.over = threading.Event()
        bad = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                bad.answer(self)

            def log_message(self, *args: object) -> None:
                """Say nothing on the terminal."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(
            target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True
        )

    def url(self, path: str) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/{path}"

    def put(self, path: str, content: bytes, manner: str = "good") -> str:
        """Serve `content` at the address that is returned."""
        self.files[path], self.manners[path] = content, manner
        return self.url(path)

    def __enter__(self) -> BadServer:
        self.thread.start()
        return self

    def __exit__(self, kind: type | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.over.set()
        self.server.shutdown()
        self.server.server_close()

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        path = request.path.lstrip("/")
        asked = request.headers.get("Range")
        self.log.append((path, asked))
        manner = self.manners.get(path, "404")
        content = self.files.get(path, b"")
        if manner == "404":
            request.send_error(404)
            return
        if manner == "reset":
            request.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            request.connection.close()
            return
        if manner.startswith("wrong"):
            content = bytes(b ^ 255 for b in content)
        if manner.endswith("-once"):
            self.manners[path] = (
                manner.removesuffix("-truncate-once") if manner.startswith("wrong") else "good"
            )
        start = 0
        if asked and manner != "no-range":
            start = int(asked.removeprefix("bytes=").rstrip("-"))
            if start >= len(content):
                request.send_response(416)
                request.send_header("Content-Range", f"bytes */{len(content)}")
                request.send_header("Content-Length", "0")
                request.end_headers()
                return
            request.send_response(206)
            request.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        else:
            request.send_response(200)
        rest = content[start:]
        request.send_header("Content-Length", str(len(rest)))
        request.end_headers()
        half = len(rest) // 2 if "truncate" in manner or manner == "stall" else len(rest)
        request.wfile.write(rest[:half])
        request.wfile.flush()
        if manner == "stall":
            self.over.wait(10)
        request.close_connection = True


def refused_port() -> int:
    """A port of this computer on which nobody listens."""
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])
