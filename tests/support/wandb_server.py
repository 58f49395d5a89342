"""A stand-in for the W&B server on loopback: just enough to take runs, and to fail in many ways."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.support.wandb_account import ENTITY, Account


@dataclass
class Stored:
    """What the server knows of one run."""

    project: str
    group: str
    upserts: int = 0
    lines: dict[int, dict[str, Any]] = field(default_factory=dict)  #: history rows by offset
    config: dict[str, Any] = field(default_factory=dict)
    summary: dict[str, Any] = field(default_factory=dict)
    exits: list[int] = field(default_factory=list)
    job_type: str = ""
    tags: tuple[str, ...] = ()
    files: set[str] = field(default_factory=set)  #: that were asked to be taken

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The history in order; a gap in the offsets is an error."""
        assert sorted(self.lines) == list(range(len(self.lines)))
        return [self.lines[offset] for offset in sorted(self.lines)]


class WandbServer(ThreadingHTTPServer):
    """Takes runs on a free port of loopback.

    Attributes:
        runs: what was sent, by the run's id.
        status: what every request is answered with; 200 answers as W&B does.
        delay_s: before every answer.
        requests: how many came.
        stream_status: what file streams are answered with, while `status` is 200.
        most_open: runs that were open at once, at most.
    """

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.runs: dict[str, Stored] = {}
        self.status, self.delay_s, self.requests = 200, 0.0, 0
        self.stream_status = 200
        self.most_open = 0
        self.guard = threading.Lock()
        self.more = Account(self)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def answer(self, body: dict[str, Any]) -> dict[str, Any]:
        """The data of a GraphQL answer; null wherever the client can do without."""
        query, given = body["query"], body.get("variables") or {}
        if "upsertBucket" in query:
            return {"upsertBucket": {"bucket": self._upsert(given), "inserted": True}}
        if "historyLineCount" in query and (run := self.runs.get(given.get("name", ""))):
            return {"model": {"bucket": self._tail(given["name"], run)}}
        if "createRunFiles" in query:
            files = [{"name": name, "uploadUrl": f"{self.url}/put"} for name in given["files"]]
            self.runs[given["run"]].files |= set(given["files"])
            return {"createRunFiles": {"runID": given.get("run"), "files": files}}
        return self.more.answer(query, given)

    def _upsert(self, given: dict[str, Any]) -> dict[str, Any]:
        name, project = given.get("name") or given["id"], given.get("project") or "uncategorized"
        run = self.runs.setdefault(name, Stored(project, ""))
        run.group = given.get("groupName") or run.group
        run.upserts += 1
        self.most_open = max(self.most_open, sum(not one.exits for one in self.runs.values()))
        run.job_type = given.get("jobType") or run.job_type
        run.tags = tuple(given.get("tags") or run.tags)
        config = json.loads(given.get("config") or "{}")
        run.config |= {key: item["value"] for key, item in config.items()}
        entity = {"name": ENTITY}
        return {
            "id": name,
            "name": name,
            "displayName": given.get("displayName") or name,
            "project": {"id": "1", "name": project, "entity": entity},
            "historyLineCount": len(run.lines),
        }

    @staticmethod
    def _tail(name: str, run: Stored) -> dict[str, Any]:
        last = run.rows[-1:]
        return {
            "id": name,
            "name": name,
            "config": json.dumps({key: {"value": value} for key, value in run.config.items()}),
            "summaryMetrics": json.dumps(run.summary),
            "historyTail": json.dumps([json.dumps(row) for row in last]),
            "eventsTail": "[]",
            "historyLineCount": len(run.lines),
            "eventsLineCount": 0,
            "logLineCount": 0,
            "wandbConfig": json.dumps({"t": {}}),
        }

    def stream(self, name: str, body: dict[str, Any]) -> None:
        """Store what a file stream sent; a repeated line takes its own place again."""
        run, files = self.runs[name], body.get("files") or {}
        if history := files.get("wandb-history.jsonl"):
            for index, line in enumerate(history["content"]):
                run.lines[history["offset"] + index] = json.loads(line)
        if summary := files.get("wandb-summary.json"):
            run.summary = json.loads(summary["content"][-1])
        if body.get("complete"):
            run.exits.append(body["exitcode"])


class _Handler(BaseHTTPRequestHandler):
    server: WandbServer
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def do_POST(self) -> None:
        raw, answer = self._read(), {}
        status = self.server.status
        if status == 200 and self.path.endswith("/file_stream"):
            status = self.server.stream_status
        if status == 200:
            with self.server.guard:
                if self.path == "/graphql":
                    answer = {"data": self.server.answer(json.loads(raw))}
                elif self.path.endswith("/file_stream"):
                    self.server.stream(self.path.split("/")[-2], json.loads(raw))
        self._write(json.dumps(answer).encode(), status)

    def do_PUT(self) -> None:
        self._read()
        self._write(b"", self.server.status)

    do_GET = do_PUT

    def _read(self) -> bytes:
        self.server.requests += 1
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        time.sleep(self.server.delay_s)
        return raw

    def _write(self, content: bytes, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(content)))
        with suppress(BrokenPipeError, ConnectionResetError):  # a client out of patience
            self.end_headers()
            self.wfile.write(content)


@contextmanager
def serving() -> Iterator[WandbServer]:
    """A server that is there inside the block."""
    with WandbServer() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


def variables(url: str) -> dict[str, str]:
    """What a client needs in its environment to find the server and to be let in."""
    return {"WANDB_BASE_URL": url, "WANDB_API_KEY": "0" * 40}
