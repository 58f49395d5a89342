"""A server in the place of W&B's that fails in one way, on loopback."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, NamedTuple

_WHO = {"id": "1", "name": "bench", "project": {"name": "bench", "entity": {"name": "bench"}}}


class Fault(NamedTuple):
    """One way to fail."""

    name: str
    status: int | None  #: of every answer; None answers nothing, for nobody listens
    delay_s: float = 0.0  #: before every answer
    after_s: float = 0.0  #: from the first request on, in which it is well


#: The ways that are measured.
FAULTS = (
    Fault("down", None),
    Fault("slow: 3 s an answer", 200, delay_s=3.0),
    Fault("500", 500),
    Fault("429", 429),
    Fault("500 after 30 s", 500, after_s=30.0),
)


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, fault: Fault) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.fault, self.first = fault, 0.0
        self.url = f"http://127.0.0.1:{self.server_address[1]}"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: a client out of patience hangs up."""

    def status(self) -> int:
        """Of the answer to a request that has just come."""
        self.first = self.first or time.monotonic()
        well = time.monotonic() - self.first < self.fault.after_s
        return 200 if well else int(self.fault.status or 503)


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def do_POST(self) -> None:
        status = self.server.status()
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        time.sleep(self.server.fault.delay_s)
        well = status == 200 and self.path == "/graphql"
        answer = _answer(json.loads(raw), self.server.url) if well else {}
        content = json.dumps(answer).encode()
        with suppress(BrokenPipeError, ConnectionResetError):  # a client out of patience
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    do_GET = do_PUT = do_POST


def _answer(body: dict[str, Any], url: str) -> dict[str, Any]:
    """What the client cannot do without; null is enough elsewhere."""
    given = body.get("variables") or {}
    data: dict[str, Any] = {}
    if "upsertBucket" in body["query"]:
        bucket = _WHO | {"displayName": "bench", "name": given.get("name", "bench")}
        data = {"upsertBucket": {"bucket": bucket, "inserted": True}}
    elif "createRunFiles" in body["query"]:
        files = [{"name": name, "uploadUrl": url} for name in given["files"]]
        data = {"createRunFiles": {"runID": "1", "files": files}}
    return {"data": data}


@contextmanager
def failing(fault: Fault) -> Iterator[str]:
    """The address of such a server, which is there inside the block."""
    if fault.status is None:
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))  # not listening: a connection is refused
            yield f"http://127.0.0.1:{free.getsockname()[1]}"
        return
    with _Server(fault) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1})
        thread.start()
        try:
            yield server.url
        finally:
            server.shutdown()
            thread.join()
