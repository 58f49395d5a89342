"""A process of ours that may import wandb: a job in on standard input, events out, a line each.

It is in a session of its own, so that Ctrl-C reaches the command alone, which ends it; and its
standard output carries nothing but events, for whatever wandb prints goes to a log.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from pgx.errors import ConfigError, RunFailed
from pgx.tracking.leave import leave
from pgx.tracking.mirror import environment

Event = dict[str, Any]


def events(module: str, job: Mapping[str, Any], log: Path) -> Iterator[Event]:
    """Run ``python -m module`` on a job, and hand on what it says.

    Args:
        module: with a `main` that calls `serve`.
        job: plain values.
        log: where what it prints is appended.

    Raises:
        ConfigError: the server knows no such account, or does not let it write.
        RunFailed: anything else that did not go well.
    """
    with log.open("ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-P", "-m", module],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=output,
            env=environment(os.environ),
            start_new_session=True,
        )
    assert process.stdin is not None and process.stdout is not None
    try:
        process.stdin.write(json.dumps(job).encode())
        process.stdin.close()
        for line in process.stdout:
            event = json.loads(line)
            if event["event"] == "failed":
                raise (ConfigError if event["mistake"] else RunFailed)(event["line"])
            yield event
        if process.wait() != 0:
            raise RunFailed(f"its process ended with {process.returncode}, see {log}")
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def serve(work: Callable[[Mapping[str, Any], Callable[[Event], None]], None]) -> None:
    """Do a job, in the process: read it, hand ``work`` the way to say events, and end.

    Args:
        work: takes the job and a function that says an event.
    """
    code = 1
    with os.fdopen(os.dup(1), "w", encoding="utf-8") as out:
        os.dup2(2, 1)  # wandb prints here and there

        def say(event: Event) -> None:
            out.write(json.dumps(event) + "\n")
            out.flush()

        try:
            work(json.load(sys.stdin), say)
            code = 0
        except ConfigError as error:
            say({"event": "failed", "mistake": True, "line": str(error)})
        except Exception as error:  # noqa: BLE001 - printed to the log, told, answered with 1
            traceback.print_exc()
            say({"event": "failed", "mistake": refused(error), "line": told(error)})
        finally:
            out.flush()
            leave(code)


def refused(error: BaseException) -> bool:
    """Whether the server said that this account may not do this, or that it knows none such."""
    text = str(error)
    signs = ("error 401", "error 403", "invalid credentials", "API_KEY invalid")
    return any(sign in text for sign in signs)


def told(error: BaseException) -> str:
    """An error in one line, with what helps against a refusal."""
    line = f"{type(error).__name__}: {' '.join(str(error).split())}"[:500]
    helps = "; run `wandb login`, or give --entity one that this account may write to"
    return line + helps * refused(error)
