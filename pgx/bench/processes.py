"""The processes that a process started, and theirs: stopped, continued, and what they used.

Read off ``/proc``. A process is known by its number and the moment it began, so that a number that
is given away again is never signalled; one whose parent has ended, or that leads a session of its
own as wandb-core does, stays known.
"""

from __future__ import annotations

import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple


class Process(NamedTuple):
    """One process of this machine."""

    number: int
    begun: int  #: clock ticks since the machine's start


class Descendants:
    """Everything that a process started so far.

    Args:
        root: its number; it is itself left alone.

    Attributes:
        processor_s: of each, as it was last seen.
    """

    def __init__(self, root: int) -> None:
        self._root = root
        self.processor_s: dict[Process, float] = {}

    def look(self) -> list[Process]:
        """Those that live now, parents before their children; notes the seconds they used."""
        table = _table()
        parents = {self._root} | {one.number for one in self.processor_s if one in table}
        found: list[Process] = [one for one in self.processor_s if one in table]
        while new := [
            one for one, (parent, _) in table.items() if parent in parents and one not in found
        ]:
            new = [one for one in new if one.number != self._root]
            if not new:
                break
            found += new
            parents |= {one.number for one in new}
        self.processor_s |= {one: table[one][1] for one in found}
        return found

    def send(self, number: signal.Signals) -> None:
        """Send a signal to all of them, also to those that come while it is sent."""
        done: set[Process] = set()
        while new := [one for one in self.look() if one not in done]:
            for one in new:
                with suppress(ProcessLookupError):
                    os.kill(one.number, number)
            done.update(new)


def _table() -> dict[Process, tuple[int, float]]:
    """Parent and seconds of the processor of every process that is no zombie."""
    tick, found = os.sysconf("SC_CLK_TCK"), {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has just ended
            fields = path.read_text().rpartition(")")[2].split()
            if fields[0] != "Z":
                seconds = (int(fields[11]) + int(fields[12])) / tick
                found[Process(int(path.parent.name), int(fields[19]))] = int(fields[1]), seconds
    return found
