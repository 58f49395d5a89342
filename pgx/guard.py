"""Which exit status an ending gets, and the one line that an error becomes.

0 fine, 1 some run failed or our bug, 2 the user's mistake, 130 Ctrl-C, 141 nobody reads the output
any more (as of other programs in a pipe), 143 SIGTERM.
"""

from __future__ import annotations

import errno
import os
import select
import signal
import sys
import tempfile
import threading
import traceback
from collections.abc import Callable
from types import FrameType
from typing import NoReturn

import typer

from pgx.errors import ConfigError, RunFailed

#: What the parser raises for a misspelt command or option; typer does not export the name.
UsageError: type[Exception] = typer.BadParameter.__bases__[0]


def guard(command: Callable[[], int | None]) -> int:
    """Run ``command`` and map how it ended to an exit status: the only place that does.

    With ``PGX_TRACEBACK=1`` in the environment the traceback of any error is shown as well.
    """
    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, _terminate)
    try:
        status = int(command() or 0)
        return _unwritten() or status
    except (ConfigError, UsageError) as error:
        _say(f"error: {_message(error)}", error)
        return 2
    except RunFailed as error:
        _say(f"failed: {_message(error)}", error)
        return 1
    except (KeyboardInterrupt, typer.Abort):
        return 128 + signal.SIGINT
    except SystemExit as stop:
        if isinstance(stop.__context__, BrokenPipeError):  # as rich has it
            return 128 + signal.SIGPIPE
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    except Exception as error:  # noqa: BLE001 - saved, named and answered with status 1
        if isinstance(error, OSError) and (status := _unwritten(error)):
            return status
        _say(f"error: {type(error).__name__}: {_message(error)} ({_save(error)})", error)
        return 1


def _unwritten(error: OSError | None = None) -> int:
    """The exit status if standard output takes no more, or a disk; 0 if it is none of these.

    Args:
        error: what ended the command; None: nothing, but something may not be written yet.
    """
    if sys.stdout is None or sys.stdout.closed:
        return 0
    left = isinstance(error, BrokenPipeError) and _reader_left()
    full = error is not None and error.errno == errno.ENOSPC
    try:
        sys.stdout.flush()
    except OSError as found:
        with open(os.devnull, "wb") as nowhere:  # or the interpreter tries again, and complains
            os.dup2(nowhere.fileno(), sys.stdout.fileno())
        left, full, error = isinstance(found, BrokenPipeError), True, found
    if left:
        return 128 + signal.SIGPIPE
    if full and error:
        _say(f"error: what this gives cannot be written ({error.strerror})", error)
    return int(full)


def _reader_left() -> bool:
    """Whether standard output is a pipe that nobody reads any more."""
    try:
        asked = select.poll()
        asked.register(sys.stdout.fileno(), 0)
    except OSError:  # it is not even a file
        return False
    return any(what & select.POLLERR for _, what in asked.poll(0))


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    """Leave through every ``finally`` on SIGTERM, as Ctrl-C does."""
    raise SystemExit(128 + number)


def _message(error: Exception) -> str:
    """What the error says, in one line that steers no terminal."""
    text = error.format_message() if hasattr(error, "format_message") else str(error)
    return "".join(sign if sign.isprintable() else "?" for sign in " ".join(text.split()))


def _say(line: str, error: Exception) -> None:
    if os.environ.get("PGX_TRACEBACK") == "1":
        traceback.print_exception(error)
    print(line, file=sys.stderr)


def _save(error: Exception) -> str:
    """Write the traceback to a file of its own and say where it is."""
    with tempfile.NamedTemporaryFile(
        "w", encoding="utf-8", prefix="pgx-traceback-", suffix=".txt", delete=False
    ) as file:
        traceback.print_exception(error, file=file)
    return f"traceback in {file.name}"
