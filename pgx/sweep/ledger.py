"""What of an arm in an environment is there already, and what is to be done about the rest.

The key of a run is (hash of the run-relevant config, seed). The ledger has no file of its own: it
is a view over the manifests of the parts. It never writes and never deletes. A part that is
repeated loses its old record in the moment in which its new training has begun and holds its lock
(`pgx.part.train_part`), one part at a time: whatever stops a sweep before that, the old runs are
still there, and whatever stops it after, the ledger finds the new part interrupted.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from omegaconf import DictConfig

from pgx.checkpoint import LAST
from pgx.errors import ConfigError
from pgx.names import config_hash, in_short, part_name
from pgx.records import Part, Run, read_part, runs
from pgx.sweep.damage import damage, in_a_sweep
from pgx.sweep.orphan import is_orphaned
from pgx.tracking.manifest import MANIFEST, is_live
from pgx.train import difference

#: What the plan makes of a stretch of seeds, and whether that is a job: how the job begins.
ACTIONS = {"to train": "train", "to resume": "resume", "to repeat": "repeat"}


DIVERGED = "diverged"  #: how the reason of such a run begins, see `pgx.part`
ORPHAN_S = 120.0  #: longer than for others that `settle` waits for a process without a sweep


@dataclass(frozen=True)
class Stretch:
    """Seeds of an arm in an environment that share a directory and a fate.

    Args:
        seeds: in the order in which the part has them.
        state: ``done``, ``to train``, ``to resume``, ``to repeat``, ``diverged``, ``failed`` (in
            any other way), ``running`` (by another process), ``changed`` (another config has this
            arm's name) or ``damaged``.
        directory: of the part.
        why: half a sentence; None where the state says it all.
        changes: ``key: old → new``, where another config is there.
    """

    seeds: tuple[int, ...]
    state: str
    directory: Path
    why: str | None = None
    changes: tuple[str, ...] = ()


def stretches(
    directory: Path,
    seeds: Sequence[int],
    config: DictConfig,
    retry_failed: bool = False,
    replace: bool = False,
) -> list[Stretch]:
    """What is to be done so that an arm has these seeds in an environment.

    Args:
        directory: ``outputs/<study>/<arm>/<environment>``.
        seeds: that are wanted.
        config: of the arm, composed.
        retry_failed: repeat what failed.
        replace: repeat the parts that another config left under this name, or that are damaged.

    Returns:
        Every wanted seed in some stretch, and in one only, but for parts that are repeated: a part
        is resumed or repeated whole, so such a stretch may hold further seeds.
    """
    found: list[Stretch] = []
    sound: list[Part] = []
    for path in _parts(directory):
        stale = _stale(path, config, replace)
        if isinstance(stale, Part):
            sound.append(stale)
        else:
            found.append(stale)
    taken = {seed for stretch in found for seed in stretch.seeds}
    held, _ = runs(sound)
    held = [run for run in held if run.seed in set(seeds) - taken]
    for part in sound:
        own = [run for run in held if run.part is part]
        found += _of_part(part, own, retry_failed)
    again = [run.seed for run in held if _alone(run) and retry_failed]
    if again:
        tried = (directory / part_name(sorted(again))).exists()  # a retry that crashed
        found.append(_new(directory, again, "to repeat" if tried else "to train", "failed before"))
    absent = [seed for seed in seeds if seed not in taken | {run.seed for run in held}]
    if absent:
        found.append(_new(directory, absent, "to train", None))
    return found


def settle(directory: Path, deadline: float) -> None:
    """Wait until nobody trains here, but no longer than ``deadline`` on the monotonic clock.

    What a killed sweep left behind has been told to end, and is given longer for its iteration.
    """

    def worth(path: Path) -> bool:
        late = time.monotonic() - deadline
        return is_live(path) and (late < 0 or (late < ORPHAN_S and is_orphaned(path)))

    while any(worth(path) for path in _parts(directory)):
        time.sleep(0.1)


def _parts(directory: Path) -> list[Path]:
    """Every directory that holds a record, or what is left of one."""
    found = sorted(directory.glob("seeds-*"))
    return [path for path in found if (path / MANIFEST).exists() or (path / LAST).exists()]


def _stale(path: Path, config: DictConfig, replace: bool) -> Part | Stretch:
    """A part of this config whose rows are whole; or what is to be done about one that is not."""
    try:
        part = read_part(path)
    except ConfigError as error:
        seeds = _seeds_of_name(path)
        if replace and seeds and not is_live(path):
            return Stretch(seeds, "to repeat", path, "damaged")
        return Stretch(seeds, "damaged", path, in_a_sweep(str(error)))
    if wrong := damage(part):
        if replace:
            return Stretch(part.seeds, "to repeat", path, "damaged")
        return Stretch(part.seeds, "damaged", path, wrong)
    if part.manifest["config_hash"] == config_hash(config):
        return part
    if part.live:
        return Stretch(part.seeds, "changed", path, f"{path} trains another config; wait for it")
    changes = difference(path, config)
    why = in_short(changes)
    if replace:
        return Stretch(part.seeds, "to repeat", path, why, changes)
    why = f"{why}; rename the arm, or use --replace"
    return Stretch(part.seeds, "changed", path, why, changes)


def _seeds_of_name(path: Path) -> tuple[int, ...]:
    """The seeds that a directory's name tells: ``seeds-0-3``, ``seeds-4``, ``seeds-0_2``."""
    words = path.name.removeprefix("seeds-")
    if not words.replace("-", "").replace("_", "").isdigit():
        return ()
    numbers = [int(word) for word in words.replace("_", "-").split("-")]
    if "_" in words or len(numbers) == 1:
        return tuple(numbers)
    return tuple(range(numbers[0], numbers[-1] + 1))


def _of_part(part: Part, own: Sequence[Run], retry_failed: bool) -> list[Stretch]:
    """The fates of the wanted seeds that a part of the right config is believed for."""
    of: dict[str, list[Run]] = {}
    for run in own:
        of.setdefault(run.status, []).append(run)
    found = []
    if finished := of.get("finished"):
        found.append(_those(part, finished, "done"))
    if running := of.get("running"):
        found.append(_those(part, running, "running", "by another process"))
    if of.get("interrupted"):
        found.append(Stretch(part.seeds, "to resume", part.path))
        return [stretch for stretch in found if stretch.state != "done"]
    if failed := of.get("failed"):
        if not retry_failed:
            found += _left(part, failed)
        elif not _alone(failed[0]):
            found.append(Stretch(part.seeds, "to repeat", part.path, "failed before"))
    return found


def _left(part: Part, failed: Sequence[Run]) -> list[Stretch]:
    """Runs that stay failed: what diverged is a result, what crashed is none."""
    diverged = [run for run in failed if (run.reason or "").startswith(DIVERGED)]
    crashed = [run for run in failed if run not in diverged]
    found = []
    if diverged:
        why = str(diverged[0].reason).removeprefix(DIVERGED).strip()
        found.append(_those(part, diverged, "diverged", f"{why}; --retry-failed repeats it"))
    if crashed:
        why = crashed[0].reason or part.manifest["error"] or "failed"
        found.append(_those(part, crashed, "failed", f"{why}; --retry-failed repeats it"))
    return found


def _alone(run: Run) -> bool:
    """Whether a failed run is repeated in a part of its own: its part holds runs worth keeping."""
    others = {run.part.seed_status(seed)[0] for seed in run.part.seeds}
    return run.status == "failed" and others != {"failed"}


def _those(part: Part, own: Sequence[Run], state: str, why: str | None = None) -> Stretch:
    return Stretch(tuple(run.seed for run in own), state, part.path, why)


def _new(directory: Path, seeds: Sequence[int], state: str, why: str | None) -> Stretch:
    ordered = tuple(sorted(seeds))
    return Stretch(ordered, state, directory / part_name(ordered), why)
