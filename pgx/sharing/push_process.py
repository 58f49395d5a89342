"""The process of ``pgx wandb push``: opens a study's runs on the server and sends what it lacks.

Points are made of the files of rows, as the mirror of a training makes them, and nothing is sent
twice for the same reason: a run that is opened again says how far the server's copy goes. What was
seen to arrive is noted, and not even opened again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any

import wandb

from pgx.errors import ConfigError
from pgx.sharing.child import Event, serve
from pgx.sharing.state import destination, digest, note, read
from pgx.tracking.grid import Grid, Point, by_seed
from pgx.tracking.mirror_process import ENDED, Rows
from pgx.tracking.run_names import LONGEST, LONGEST_TAG, fitted
from pgx.tracking.runs_state import FOLDER, read_state
from pgx.tracking.wandb_runs import QUIET, Job, begin, run_id


@dataclass(frozen=True)
class Cargo:
    """A replica's run as the server should have it.

    Attributes:
        job: of its part.
        seed: of the replica.
        points: all of them, in order.
        most: points on the run's grid.
        outcome: what its summary says.
    """

    job: Job
    seed: int
    points: tuple[Point, ...]
    most: int
    outcome: dict[str, Any]

    @property
    def id(self) -> str:
        """Of the run."""
        return run_id(self.job, self.seed)

    @property
    def noted(self) -> dict[str, Any]:
        """What is noted when all of it has arrived."""
        last = self.points[-1].step if self.points else -1
        outcome = digest(self.outcome)
        return {"step": last, "points": self.most, "outcome": outcome, "group": self.job.group}


class Pace:
    """Keeps the points that are sent below a rate.

    Args:
        rate: points per second.
    """

    def __init__(self, rate: float) -> None:
        self._rate, self._due = rate, time.monotonic()

    def wait(self, points: int = 1) -> None:
        """Sleep until so many more may be sent."""
        now = time.monotonic()
        self._due = max(self._due, now) + points / self._rate
        if (early := self._due - now) > 0.05:
            time.sleep(early)


class Push:
    """What one process sends.

    Args:
        job: as `pgx.sharing.push` makes it.
        say: takes an event per run, per summary run, and one at either end.
    """

    def __init__(self, job: Mapping[str, Any], say: Callable[[Event], None]) -> None:
        self.job, self._say, self._pace = job, say, Pace(job["rate"])
        self._api = wandb.Api(timeout=int(job["patience_s"]))
        self.entity = own_entity(self._api, job["entity"])
        self.project: str = job["project"]
        self._state = Path(job["state"])
        self._key = destination(job["server"], self.entity, self.project)
        before = read(self._state).get(self._key, {})
        self._seen: set[str] = set()
        self._noted = {name: dict(before.get(name, {})) for name in ("runs", "summaries")}

    def run(self) -> None:
        """Send the runs, then the summaries."""
        url = self._api.settings["base_url"].replace("://api.", "://", 1)
        self._say({"event": "begin", "url": f"{url}/{self.entity}/{self.project}"})
        due = (cargo for part in self.job["parts"] for cargo in self._due(part))
        while some := list(islice(due, self.job["at_once"])):
            self._send(some)
        for summary in self.job["summaries"]:
            self._summarise(summary)
        strangers = sorted(self._noted["runs"].keys() - self._seen) if self.job["whole"] else []
        self._set_aside(strangers)
        self._say({"event": "end", "strangers": len(strangers)})

    def _set_aside(self, strangers: Sequence[str]) -> None:
        """Take runs that the study no longer has out of the groups that it has."""
        group = fitted(f"{self.job['study']} (replaced)", LONGEST)
        entries = {name: self._noted["runs"][name] for name in strangers}
        if moving := [name for name, entry in entries.items() if entry.get("group") != group]:
            self._api.flush()
            for run in self._found(moving, lazy=False):  # what is changed is sent whole
                run.group = group
                run.update()
        for name in moving:
            self._note("runs", name, {**entries[name], "group": group})

    def _found(self, names: Sequence[str], lazy: bool = True) -> Any:
        """Runs of the project, by id."""
        path, filters = f"{self.entity}/{self.project}", {"name": {"$in": sorted(names)}}
        return self._api.runs(path, filters=filters, per_page=len(names), lazy=lazy)

    def _due(self, part: Mapping[str, Any]) -> Iterator[Cargo]:
        """The runs of a part that have something new, as far as was noted."""
        for cargo in cargoes(part, self.project, self.entity, self._noted["runs"]):
            self._seen.add(cargo.id)
            if self._noted["runs"].get(cargo.id) == cargo.noted:
                self._say({"event": "run", "sent": 0, "there": len(cargo.points), "new": False})
            else:
                yield cargo

    def _send(self, due: Sequence[Cargo]) -> None:
        """Open these runs, send what the server lacks, close them, and see that it arrived."""
        opened = [self._open(cargo) for cargo in due]
        sent = []
        for run, cargo in zip(opened, due, strict=True):
            lacking = [point for point in cargo.points if point.step >= run.starting_step]
            for point in lacking:
                self._pace.wait()
                run.log(point.values, step=point.step, commit=True)
            sent.append(len(lacking))
            run.summary.update(cargo.outcome)
        with ThreadPoolExecutor(len(due)) as pool:
            list(pool.map(_close, opened, (c.outcome["status"] != "finished" for c in due)))
        self._confirm({cargo.id: len(cargo.points) for cargo in due})
        for cargo, count in zip(due, sent, strict=True):
            self._note("runs", cargo.id, cargo.noted)
            _mark_sent(cargo)
            there = len(cargo.points) - count
            self._say({"event": "run", "sent": count, "there": there, "new": True})

    def _open(self, cargo: Cargo) -> wandb.Run:
        return begin(
            cargo.job,
            cargo.seed,
            root_dir=self.job["scratch"],
            init_timeout=self.job["patience_s"],
            finish_timeout=self.job["patience_s"],
        )

    def _summarise(self, summary: Mapping[str, Any]) -> None:
        """Send an arm's summary run, if the server has not got this one."""
        if self._noted["summaries"].get(summary["arm"]) == summary["digest"]:
            self._say({"event": "summary", "arm": summary["arm"], "new": False})
            return
        folder = Path(self.job["scratch"])
        run = wandb.init(settings=self._summary_settings(summary), config=summary["config"])
        table = wandb.Table(columns=summary["columns"], data=summary["rows"])
        images = {name: wandb.Image(str(folder / file)) for name, file in summary["images"].items()}
        step = run.starting_step
        self._pace.wait()
        run.log({"comparison": table, **images}, step=step, commit=True)
        run.summary.update(summary["summary"])
        _close(run, False)
        self._confirm({summary["id"]: step + 1})
        self._note("summaries", summary["arm"], summary["digest"])
        self._say({"event": "summary", "arm": summary["arm"], "new": True})

    def _summary_settings(self, summary: Mapping[str, Any]) -> wandb.Settings:
        patience_s = self.job["patience_s"]
        return wandb.Settings(
            mode="online",
            root_dir=self.job["scratch"],
            project=self.project,
            entity=self.entity,
            run_id=summary["id"],
            run_name=fitted(summary["name"], LONGEST),
            run_group=fitted(summary["group"], LONGEST),
            run_job_type="summary",
            run_tags=(fitted(summary["config"]["study"], LONGEST_TAG),),
            reinit="create_new",
            resume="allow",
            init_timeout=patience_s,
            finish_timeout=patience_s,
            finish_timeout_raises=True,
            **QUIET,
        )

    def _confirm(self, expected: Mapping[str, int]) -> None:
        """Wait until the server says that it has so many points of each run.

        A client that is answered with 404, or with something that is no JSON, closes its run as if
        all had arrived.

        Args:
            expected: run id to points, at least.

        Raises:
            TimeoutError: the server does not.
        """
        deadline, pause = time.monotonic() + self.job["patience_s"], 0.1
        while True:
            self._api.flush()  # it would show what it has shown
            held = {run.id: run.historyLineCount or 0 for run in self._found(list(expected))}
            lacking = [name for name, count in expected.items() if held.get(name, -1) < count]
            if not lacking:
                return
            if time.monotonic() > deadline:
                raise TimeoutError(f"the server does not show all of run {lacking[0]}")
            time.sleep(pause)
            pause *= 2

    def _note(self, kind: str, name: str, value: Any) -> None:
        self._noted[kind][name] = value
        note(self._state, self._key, self._noted)


def own_entity(api: wandb.Api, given: str | None) -> str:
    """The entity that is given, or the account's own.

    Raises:
        ConfigError: it has none.
    """
    found = given or api.default_entity
    if not found:
        raise ConfigError("--entity: this account has none of its own; name a team")
    return found


def cargoes(
    part: Mapping[str, Any], project: str, entity: str, noted: Mapping[str, Any]
) -> Iterator[Cargo]:
    """The runs of a part as the server should have them.

    Args:
        part: its ``directory``, and what the summary of each of its ``seeds`` says.
        project: of W&B.
        entity: of W&B.
        noted: run id to what was noted of it: its grid stays what it was.
    """
    directory = Path(part["directory"])
    job = Job.of(directory, "online")
    mirrored = read_state(directory / FOLDER) or {}
    same = (mirrored.get("project"), mirrored.get("entity")) == (job.project, job.entity)
    most = mirrored.get("points", job.points) if same else job.points
    job, rows = replace(job, project=project, entity=entity), Rows(directory)
    seeds = [int(seed) for seed in part["seeds"]]
    kinds = ("metrics", "episodes", "evaluations")
    for seed, *own in zip(seeds, *(by_seed(rows.read(kind), seeds) for kind in kinds), strict=True):
        outcome = part["seeds"][str(seed)]
        known = noted.get(run_id(job, seed), {}).get("points", most)
        grid = Grid(job.budget, known)
        grid.add(*own)
        whole, rest = list(grid.points()), list(grid.points(ended=True))
        values: dict[str, Any] = next((point.values for point in reversed([*whole, *rest])), {})
        points = [*whole, *rest] if outcome["status"] in ENDED else whole
        yield Cargo(job, seed, tuple(points), known, {**values, **outcome})


def _close(run: wandb.Run, failed: bool) -> None:
    run.finish(exit_code=int(failed))


def _mark_sent(cargo: Cargo) -> None:
    """Mark what a mirror left for `wandb sync` as synced: it would send the same once more."""
    for path in (cargo.job.directory / FOLDER).glob(f"offline-run-*-{cargo.id}/*.wandb"):
        path.with_name(f"{path.name}.synced").touch()


if __name__ == "__main__":
    serve(lambda job, say: Push(job, say).run())
