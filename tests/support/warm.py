"""``pgx`` in processes of their own that need not import it first: forks of one that has.

``python -m tests.support.warm`` reads a job a line from standard input and writes its exit status,
a line each. A command's process has a working directory, variables and output of its own, and every
file and lock is real; what it does not have is the seconds that torch and Lightning take to be
imported. Tests of those seconds, and of signals, start real commands.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from select import select
from typing import NoReturn

ROOT = Path(__file__).resolve().parents[2]
TIMEOUT_S = 300.0


class Warm:
    """The process that forks; started when it is first needed.

    Args:
        folder: for what commands print.
    """

    def __init__(self, folder: Path) -> None:
        self._folder, self._process = folder, None

    def run(
        self, words: Sequence[str], cwd: Path, env: Mapping[str, str]
    ) -> subprocess.CompletedProcess[str]:
        """``pgx`` with these words, as `subprocess.run` would have it."""
        process = self._started()
        out, err = (self._folder / name for name in ("out", "err"))
        job = {"words": list(words), "cwd": str(cwd), "env": dict(env)}
        process.stdin.write(json.dumps({**job, "out": str(out), "err": str(err)}) + "\n")
        process.stdin.flush()
        if not select([process.stdout], [], [], TIMEOUT_S)[0]:
            self.close()
            raise subprocess.TimeoutExpired(list(words), TIMEOUT_S)
        status = int(process.stdout.readline())
        texts = (path.read_text(encoding="utf-8") for path in (out, err))
        return subprocess.CompletedProcess(list(words), status, *texts)

    def _started(self) -> subprocess.Popen[str]:
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "tests.support.warm"],
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                start_new_session=True,
            )
        return self._process

    def close(self) -> None:
        """End it, and what it is running."""
        if self._process is not None:
            os.killpg(self._process.pid, 9)
            self._process.communicate()
            self._process = None


def child(job: Mapping[str, object]) -> NoReturn:
    """Be the command."""
    for number, name in ((1, "out"), (2, "err")):
        file = os.open(str(job[name]), os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
        os.dup2(file, number)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.chdir(str(job["cwd"]))
    os.environ.clear()
    os.environ.update(job["env"])
    words = job["words"]
    sys.argv, sys.path[0] = ["pgx", *words], ""
    from pgx.cli import main

    code = 1
    try:
        code = main(words)
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:  # noqa: BLE001 - printed, as Python would
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def serve() -> None:
    """Fork for every job."""
    from pgx.spinning import spin_briefly

    spin_briefly()
    import pgx.sweep.lone  # what ``pgx train`` imports
    import pgx.train  # noqa: F401

    for line in sys.stdin:
        job = json.loads(line)
        pid = os.fork()
        if pid == 0:
            child(job)
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])
        print(status, flush=True)


if __name__ == "__main__":
    serve()
