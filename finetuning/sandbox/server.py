"""Serve a sandbox over HTTP/1.1 with the standard library: keep-alive, threads, chunked streaming."""

import logging
import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote_to_bytes

from finetuning.sandbox.app import SandboxApp
from finetuning.sandbox.errors import ApiError

logger = logging.getLogger(__name__)

DELIVERY_INTERVAL_SECONDS = 0.5
CHUNK_LINE_BYTES = 1 << 12


class _Chunked:
    """The body of a request with ``Transfer-Encoding: chunked``."""

    def __init__(self, stream: Any) -> None:
        self.stream = stream
        self.left = 0
        self.is_over = False

    def read(self, size: int) -> bytes:
        if not self.left and not self.is_over:
            self._next_chunk()
        data: bytes = self.stream.read(min(size, self.left))
        self.left -= len(data)
        if not self.left and not self.is_over:
            self.stream.readline(CHUNK_LINE_BYTES)
        return data

    def _next_chunk(self) -> None:
        line = self.stream.readline(CHUNK_LINE_BYTES)
        size = line.split(b";")[0].strip()
        if not re.fullmatch(rb"[0-9a-fA-F]{1,8}", size):
            self.is_over = True
            raise ApiError(400, "The chunked request body is broken.")
        self.left = int(size, 16)
        if self.left == 0:
            self.is_over = True
            while self.stream.readline(CHUNK_LINE_BYTES).strip():
                pass


class _Body:
    """Counts what was read, so that a connection with unread bytes on it is not used again."""

    def __init__(self, stream: Any, length: int) -> None:
        self.stream = stream
        self.left = length

    def read(self, size: int) -> bytes:
        data: bytes = self.stream.read(min(size, self.left)) if self.left else b""
        self.left = self.left - len(data) if data else 0
        return data


class Handler(BaseHTTPRequestHandler):
    """Hands requests to the WSGI app of its server."""

    protocol_version = "HTTP/1.1"
    server: "SandboxServer"
    # Without this, the kernel holds back the second small packet of an answer for 40 ms.
    disable_nagle_algorithm = True
    wbufsize = -1

    def handle_request(self) -> None:
        """Answer one request and leave the connection clean for the next."""
        chunked = "chunked" in self.headers.get("Transfer-Encoding", "").lower()
        length = self.headers.get("Content-Length", "")
        body: _Body | _Chunked
        body = _Chunked(self.rfile) if chunked else _Body(self.rfile, int(length) if length.isdigit() else 0)
        collected: list[tuple[str, list[tuple[str, str]]]] = []
        answer = self.server.app(
            self._environ(body), lambda status, headers: collected.append((status, headers))
        )
        status, headers = collected[0]
        if chunked or (isinstance(body, _Body) and body.left):
            self.close_connection = True
        self._send(status, headers, answer)

    do_GET = do_POST = do_DELETE = do_PUT = do_PATCH = handle_request  # noqa: N815

    def log_message(self, format: str, *args: Any) -> None:
        """Log requests at debug level instead of writing to stderr."""
        logger.debug(format, *args)

    def _environ(self, body: _Body | _Chunked) -> dict[str, Any]:
        path, _, query = self.path.partition("?")
        return {
            "REQUEST_METHOD": self.command,
            "PATH_INFO": unquote_to_bytes(path).decode("latin-1"),
            "QUERY_STRING": query,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "wsgi.input": body,
            **{f"HTTP_{name.upper().replace('-', '_')}": value for name, value in self.headers.items()},
        }

    def _send(self, status: str, headers: list[tuple[str, str]], answer: Any) -> None:
        code, _, phrase = status.partition(" ")
        self.send_response(int(code), phrase)
        if isinstance(answer, list):
            headers = [*headers, ("Content-Length", str(sum(map(len, answer))))]
        streamed = not any(name.lower() == "content-length" for name, _ in headers)
        for name, value in headers:
            self.send_header(name, value)
        if streamed:
            self.send_header("Transfer-Encoding", "chunked")
        if self.close_connection:
            self.send_header("Connection", "close")
        self.end_headers()
        for piece in _chunks(answer) if streamed else answer:
            self.wfile.write(piece)
            self.wfile.flush()


def _chunks(answer: Any) -> Iterator[bytes]:
    for piece in answer:
        if piece:
            yield b"%x\r\n%s\r\n" % (len(piece), piece)
    yield b"0\r\n\r\n"


class SandboxServer(ThreadingHTTPServer):
    """Listens as soon as it is made; port 0 takes a free one (``server_port`` says which)."""

    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128

    def __init__(self, app: SandboxApp, host: str, port: int) -> None:
        super().__init__((host, port), Handler)
        self.app = app
        self.stopping = threading.Event()

    def serve(self) -> None:
        """Answer requests and deliver webhooks until ``stop`` is called from another thread."""
        deliverer = threading.Thread(target=self._deliver, daemon=True)
        deliverer.start()
        try:
            self.serve_forever(poll_interval=0.2)
        finally:
            self.stopping.set()
            self.server_close()
            deliverer.join(timeout=DELIVERY_INTERVAL_SECONDS + 10)

    def stop(self) -> None:
        """Make ``serve`` return."""
        threading.Thread(target=self.shutdown, daemon=True).start()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up in the middle is its own business; log it, do not print a traceback."""
        logger.debug("Connection to %s broke.", client_address, exc_info=True)

    def _deliver(self) -> None:
        while not self.stopping.wait(DELIVERY_INTERVAL_SECONDS):
            try:
                self.app.deliver_due_webhooks(self.app.sandbox.now())
            except Exception:
                logger.exception("Delivering webhooks failed; the next round tries again.")
