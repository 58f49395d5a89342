"""``pgx wandb push``: what a study has is sent to W&B, and nothing of it twice."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pgx.analysis.gather import gather
from pgx.analysis.model import Analysis, Evidence
from pgx.errors import ConfigError, RunFailed
from pgx.sharing.child import Event, events
from pgx.sharing.outgoing import outgoing, run_scores, target
from pgx.sharing.pictures import MISSING, pictures
from pgx.sharing.state import PUSHED, WORK
from pgx.sharing.summary_runs import summary_runs
from pgx.tracking.account import logged_in, reachable, server
from pgx.tracking.manifest import PartLock

PATIENCE_S = 60.0  #: with a server that does not answer, or asks to be asked later
LOG = "push.log"  #: in the study's folder `WORK`: what wandb prints

LOGIN = "nobody is logged in here; run `wandb login`, or set WANDB_API_KEY"
STRANGERS = "sent earlier and since replaced here: set aside there, in a group of their own"


@dataclass
class Sent:
    """What a push did.

    Attributes:
        url: of the project.
        runs: with at least one new point.
        points: new ones.
        changed: runs that had every point, and whose summary was brought up to date.
        runs_before: runs that were there already, the same.
        points_before: points that were.
        summaries: summary runs sent, or sent anew.
        summaries_before: summary runs that were there already, the same.
        strangers: runs that were sent earlier, and that the study no longer has.
        notes: lines about what was not sent, and why.
        damaged: lines about parts that cannot be read.
    """

    url: str = ""
    runs: int = 0
    points: int = 0
    changed: int = 0
    runs_before: int = 0
    points_before: int = 0
    summaries: int = 0
    summaries_before: int = 0
    strangers: int = 0
    notes: list[str] = field(default_factory=list)
    damaged: list[str] = field(default_factory=list)

    def add(self, event: Event) -> None:
        """Count what the process says that it did."""
        if event["event"] == "begin":
            self.url = event["url"]
        elif event["event"] == "end":
            self.strangers = event["strangers"]
        elif event["event"] == "summary":
            self.summaries += event["new"]
            self.summaries_before += not event["new"]
        elif event["event"] == "run":
            self.points += event["sent"]
            self.points_before += event["there"]
            self.runs += event["sent"] > 0
            self.changed += event["new"] and not event["sent"]
            self.runs_before += not event["new"]

    @property
    def line(self) -> str:
        """One sentence for people."""
        parts = [f"{_count(self.runs, 'run')} and {_count(self.points, 'point')} sent"]
        if self.changed:
            parts.append(
                f"{_count(self.changed, 'summary', 'summaries')} of runs brought up to date"
            )
        if self.runs_before or self.points_before:
            before = f"{_count(self.runs_before, 'run')} and {_count(self.points_before, 'point')}"
            parts.append(f"{before} were there")
        arms = _count(self.summaries, "summary run")
        parts.append(f"{arms} of arms sent, {self.summaries_before} were there")
        return "; ".join(parts)


def push(
    root: Path,
    study: str,
    project: str | None = None,
    entity: str | None = None,
    against: str | None = None,
    at_once: int = 8,
    rate: float = 1000.0,
    heard: Callable[[Sent], None] = lambda sent: None,
) -> Sent:
    """Send a study to W&B; what is there already is not sent again.

    Args:
        root: the output directory.
        study: its name.
        project: of W&B; None is what the runs' configs say.
        entity: of W&B; None is what the runs' configs say, or the account's own.
        against: arm that the summaries hold the others against; None: the study's reference.
        at_once: runs that are open at once, at most.
        rate: points per second, at most.
        heard: called with the counts so far, after every run.

    Raises:
        ConfigError: there is no such study, nobody is logged in, or the server refuses the account.
        RunFailed: the server did not take all; the same command sends the rest.
    """
    sent, again = Sent(), f"`pgx wandb push {study}` again sends the rest"
    evidence = gather(root, study)
    found = outgoing(root, study, run_scores(evidence))
    project, entity = target(found.named, project, entity)
    sent.damaged += found.damaged
    sent.notes += [*found.left_out, *found.notes]
    analysis = _analysed(evidence, against, sent)
    check_account("push", again)
    folder = Path(root) / study
    with PartLock(folder / WORK), tempfile.TemporaryDirectory(prefix="pgx-push-") as scratch:
        job = {
            "server": server(),
            "study": study,
            "whole": not (found.left_out or found.damaged),
            "project": project,
            "entity": entity,
            "at_once": at_once,
            "rate": rate,
            "patience_s": PATIENCE_S,
            "state": str((folder / PUSHED).absolute()),
            "scratch": scratch,
            "parts": found.parts,
            "summaries": _summaries(analysis, Path(scratch), sent) if analysis else [],
        }
        _send(job, folder / WORK / LOG, sent, heard, again)
    if sent.strangers:
        sent.notes.append(f"{_count(sent.strangers, 'run')} {STRANGERS}")
    return sent


def check_account(command: str, advice: str) -> None:
    """Refuse to begin without an account or without a server.

    Args:
        command: of ``pgx wandb``.
        advice: what to do when there is no server.

    Raises:
        ConfigError: nobody is logged in.
        RunFailed: nothing listens where the server should be.
    """
    if not logged_in():
        raise ConfigError(f"pgx wandb {command}: {LOGIN}")
    if not reachable():
        raise RunFailed(f"nothing answers at {server()}; {advice}")


def _send(
    job: Mapping[str, Any], log: Path, sent: Sent, heard: Callable[[Sent], None], again: str
) -> None:
    try:
        for event in events("pgx.sharing.push_process", job, log):
            sent.add(event)
            heard(sent)
    except RunFailed as error:
        done = f"{_count(sent.runs, 'run')} and {_count(sent.points, 'point')} arrived"
        raise RunFailed(f"{error}; {done}; {again}; see {log}") from error


def _analysed(evidence: Evidence, against: str | None, sent: Sent) -> Analysis | None:
    """What follows from the runs; None, with a note, if there is no arm to hold others against."""
    from pgx.analysis.analyse import analyse, chosen_reference

    try:
        chosen_reference(evidence.study, against)
    except ConfigError as error:
        if against is not None:
            raise
        sent.notes.append(f"no summary runs: {error}")
        return None
    return analyse(evidence, against)


def _summaries(analysis: Analysis, scratch: Path, sent: Sent) -> list[dict[str, Any]]:
    """The summary runs, and in the folder the figures that they show."""
    from pgx.analysis.words import headline

    drawn = pictures(analysis, scratch)
    if drawn is None:
        sent.notes.append(MISSING)
    return summary_runs(analysis, headline(analysis), drawn or {})


def _count(number: int, one: str, many: str | None = None) -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"
