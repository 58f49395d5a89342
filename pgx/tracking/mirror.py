"""What training has to do with W&B: it starts the process that mirrors its rows, and ends it.

The trainer neither imports wandb nor waits for it while it trains. It holds one end of a pipe;
letting go of it, even by dying, tells the mirror that no row follows.
"""

from __future__ import annotations

import json
import logging
import os
import shlex
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from rich.console import Console

import pgx
from pgx.tracking.manifest import LOCK, is_live
from pgx.tracking.runs_state import FOLDER, read_state

LOG = "mirror.log"  #: in the part's ``wandb/``: what the mirror process and wandb print
WAIT_S = {"offline": 120.0, "online": 30.0}  #: at most, for the mirror to end after training
COMMAND = (sys.executable, "-P", "-m", "pgx.tracking.mirror_process")  #: arguments follow
PATIENCE_S = 5.0  #: with the mirror of an earlier process, which may be about to end

#: Of the variables that wandb reads, those that say who the user is and how to reach the server.
KEPT = frozenset(
    f"WANDB_{name}"
    for name in (
        *("API_KEY", "BASE_URL", "ENTITY", "IDENTITY_TOKEN_FILE", "CREDENTIALS_FILE"),
        *("CONFIG_DIR", "CACHE_DIR", "DATA_DIR", "CA_CERTIFICATE", "INSECURE_DISABLE_SSL"),
        *("X_EXTRA_HTTP_HEADERS", "HTTP_TIMEOUT"),
    )
)
log = logging.getLogger("pgx")
_waiting: list[subprocess.Popen[bytes]] = []  #: at most one, see `prepared`


@contextmanager
def prepared(words: Sequence[str]) -> Iterator[None]:
    """Have a mirror process ready before anybody knows what it is to mirror.

    It imports wandb while this process imports torch, on a processor that has nothing to do then.
    If nothing was mirrored in the block after all, it goes.

    Args:
        words: of the command line; without ``tracker=wandb`` among them nothing is started.
    """
    if "tracker=wandb" in words:
        with suppress(OSError):  # then `Mirror.start` tries again, and says why not
            _waiting.append(_launch([], subprocess.DEVNULL))
    try:
        yield
    finally:
        while _waiting:
            _dismiss(_waiting.pop())


def _dismiss(process: subprocess.Popen[bytes]) -> None:
    assert process.stdin is not None
    process.stdin.close()
    try:
        process.wait(PATIENCE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _launch(words: Sequence[str], output: Any) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [*COMMAND, *words],
        stdin=subprocess.PIPE,
        stdout=output,
        stderr=output,
        env=environment(os.environ),
        start_new_session=True,
    )


class Mirror:
    """The mirror process of a part, from `start` to the end of the ``with`` block.

    Args:
        directory: of the part.
        mode: ``offline`` or ``online``; None mirrors nothing.
        console: where it is said in one line where the runs are.
    """

    def __init__(self, directory: Path, mode: str | None, console: Console) -> None:
        self.folder, self.mode, self._console = directory / FOLDER, mode, console
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Mirror:
        return self

    def start(self) -> None:
        """Start the process; the part's manifest and config are there, its rows may come later."""
        if self.mode is None:
            return
        words = [str(self.folder.parent), self.mode, str(os.getpid())]
        try:
            self.folder.mkdir(exist_ok=True)
            self._process = _told(words)
            if self._process is None:
                with self._log.open("ab") as output:
                    self._process = _launch(words, output)
        except OSError as error:
            self._say(logging.WARNING, f"its process could not be started ({error})")

    def __exit__(self, *ending: object) -> None:
        if self._process is None or self._process.stdin is None:
            return
        begun = time.monotonic()
        self._process.stdin.close()
        try:
            self._process.wait(WAIT_S[str(self.mode)])
        except (subprocess.TimeoutExpired, KeyboardInterrupt):
            self._say(logging.INFO, f"process {self._process.pid} still sends, see {self._log}")
            return
        log.info("W&B: the mirror ended after %.2f s", time.monotonic() - begun)
        self._tell(self._process.returncode)

    @property
    def _log(self) -> Path:
        return self.folder / LOG

    def _tell(self, code: int) -> None:
        state: dict[str, Any] = read_state(self.folder) or {"mode": None, "closed": False}
        if code or not state["closed"]:
            line = f"its process ended with {code}, see {self._log}; no row of training is lost"
            if state["mode"] == "online":
                part = shlex.quote(str(self.folder.parent))
                again = f"python -m pgx.tracking.mirror_process {part} online </dev/null"
                line += f"; to send the rest: {again}"
            self._say(logging.WARNING, line)
            return
        count = f"{len(state['runs'])} run{'s' * (len(state['runs']) > 1)}"
        if state["mode"] == "online":
            url = str(next(iter(state["runs"].values()))["url"])
            self._say(logging.INFO, f"{count} in {url.rpartition('/runs/')[0]}")
            return
        paths = f"{shlex.quote(str(self.folder))}/offline-run-*"
        if self.mode == "online":
            line = (
                f"could not be reached, see {self._log}; {count} kept, to send: wandb sync {paths}"
            )
            self._say(logging.WARNING, line)
            return
        self._say(logging.INFO, f"{count} offline; to send: wandb sync {paths}")

    def _say(self, level: int, line: str) -> None:
        log.log(level, "W&B: %s", line)
        self._console.print(f"W&B: {line}", markup=False, highlight=False, soft_wrap=True)


def _told(words: Sequence[str]) -> subprocess.Popen[bytes] | None:
    """The process that waits, if one does, told what to mirror."""
    while _waiting:
        process = _waiting.pop()
        assert process.stdin is not None
        with suppress(OSError):  # it has ended
            process.stdin.write(json.dumps(words).encode() + b"\n")
            process.stdin.flush()
            if process.poll() is None:
                return process
    return None


def environment(given: Mapping[str, str]) -> dict[str, str]:
    """The variables of a mirror process: one thread, this very pgx, and nothing that renames runs.

    Args:
        given: the trainer's own.
    """
    package = str(Path(pgx.__file__).resolve().parents[1])
    kept = {name: v for name, v in given.items() if not name.startswith("WANDB_") or name in KEPT}
    return {
        **kept,
        **{f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL")},
        "POLARS_MAX_THREADS": "1",
        "GOMAXPROCS": "1",  # wandb-core is written in Go; on one processor it takes a quarter less
        "PYTHONPATH": os.pathsep.join(filter(None, [package, given.get("PYTHONPATH")])),
        "WANDB_ERROR_REPORTING": "false",
    }


def stop_earlier(directory: Path) -> None:
    """Let the mirror that an earlier process of this part left at work end, or end it."""
    folder = directory / FOLDER
    begun = time.monotonic()
    while (owner := _owner(folder)) is not None and time.monotonic() < begun + 2 * PATIENCE_S:
        if time.monotonic() > begun + PATIENCE_S:
            with suppress(ProcessLookupError):
                os.kill(owner, signal.SIGKILL)
            time.sleep(1.0)  # its wandb-core sees that, and lets go of its files
        time.sleep(0.1)


def _owner(folder: Path) -> int | None:
    """The process of this machine that holds the folder's lock."""
    if not is_live(folder):
        return None
    words = (folder / LOCK).read_text().split()
    here = words[3:] == [socket.gethostname()] and words[1].isdigit()
    return int(words[1]) if here else None
