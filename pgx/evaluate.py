"""``pgx eval``: play a part's checkpoint under a stated protocol, and say how sure its mean is."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from omegaconf import DictConfig
from scipy.special import stdtrit

from pgx.build import build_environment, evaluation_slots
from pgx.environments.base import Environment
from pgx.errors import ConfigError
from pgx.evaluation import Evaluation, Protocol, evaluation_seeds
from pgx.film import Film, Filmed
from pgx.normalization import Normalization
from pgx.records import Part
from pgx.restore import choose_seeds, read_config, read_state, restore
from pgx.tables import NOTHING, number, plain_table, printable, show, status_text
from pgx.types import EnvSpec

if TYPE_CHECKING:
    from rich.console import Console

LEVEL = 0.95  #: of every interval here
INTERVAL = "95% Student t"  #: its name


def evaluate(
    part: Part,
    episodes: int,
    deterministic: bool | None = None,
    seeds: str | None = None,
    video: Path | None = None,
    allowed: Sequence[str] = (),
) -> dict[str, Any]:
    """Play the part's checkpoint.

    The streams are neither training's nor those of its evaluations, and they are fixed: the same
    call plays the same episodes, and a seed's are the same whichever others are chosen.

    Args:
        part: whose.
        episodes: per seed.
        deterministic: whether the policy's noise is zero; None: as its config says.
        seeds: a range or list, such as ``0-4``; None is all.
        video: an MP4 for the first episode of the first seed, or None.
        allowed: import paths that the config's ``_target_`` may name besides pgx's and torch's.

    Returns:
        ``protocol``, ``seeds`` (one each), ``mean`` (over seeds) and ``video``.

    Raises:
        ConfigError: the user's mistake; nothing has been written.
        RunFailed: an episode does not end.
    """
    chosen, config, state = choose_seeds(seeds, part), read_config(part, allowed), read_state(part)
    if deterministic is None:
        deterministic = bool((config.get("evaluation") or {}).get("deterministic", True))
    protocol, film = Protocol(None, episodes, deterministic), Film(video) if video else None
    torch.set_num_threads(1)  # sums of another number of threads may differ in their last bit
    env = _environment(config, chosen, protocol, film)
    whole = False
    try:
        policy, normalization = restore(config, env.spec, part, state, chosen)
        evaluation = Evaluation(policy, env, protocol, normalization)
        returns, lengths = evaluation.play(np.ones(len(chosen), dtype=bool))
        whole = True
    finally:
        env.close()
        if film:
            film.close(whole)
    told = _told(env.spec, protocol, normalization)
    rows = [
        _row(part, seed, state["decisions"][part.seeds.index(seed)], *played)
        for seed, *played in zip(chosen, returns, lengths, strict=True)
    ]
    filmed = film and {"path": str(film.path), "seed": chosen[0], "frames": film.frames}
    mean = {"runs": len(rows), **interval(returns.mean(1))}
    return {"run": str(part.path), "protocol": told, "seeds": rows, "mean": mean, "video": filmed}


def _environment(
    config: DictConfig, chosen: list[int], protocol: Protocol, film: Film | None
) -> Environment:
    """The config's environment with slots of our own; a filmed one lives in this process."""
    probe = build_environment(config, chosen[:1], 1)
    probe.close()
    slots = evaluation_slots(config, probe.spec, protocol)
    if film and "vectorization" in config.environment:
        config.environment.vectorization = "sync"  # plays the same episodes as the others
    if protocol.deterministic and probe.spec.time_limit is None:
        raise ConfigError(
            f"--deterministic: {probe.spec.id} has no time limit and the likeliest actions may "
            "never end an episode; use --stochastic"
        )
    env = build_environment(config, evaluation_seeds(chosen, "command"), slots)
    try:
        return Filmed(env, film.add) if film else env
    except ConfigError:
        env.close()
        raise


def _told(spec: EnvSpec, protocol: Protocol, normalization: Normalization | None) -> dict[str, Any]:
    """The protocol, for people and programs."""
    one = "likeliest" if spec.action_kind == "discrete" else "mean"
    return {
        "environment": spec.id,
        "time_limit": spec.time_limit,
        "episodes": protocol.episodes,
        "deterministic": protocol.deterministic,
        "actions": f"always the {one} action" if protocol.deterministic else "actions sampled",
        "rewards": "raw",
        "observations": "normalised, statistics frozen" if normalization else "raw",
        "interval": INTERVAL,
    }


def _row(
    part: Part, seed: int, decisions: int, returns: np.ndarray, lengths: np.ndarray
) -> dict[str, Any]:
    status, reason = part.seed_status(seed)
    row = {"seed": seed, "status": status, "reason": reason, "decisions": int(decisions)}
    row |= {"episodes": len(returns), **interval(returns)}
    return row | {"returns": returns.tolist(), "lengths": lengths.tolist()}


def interval(values: np.ndarray) -> dict[str, float | None]:
    """The mean of independent values and its Student t interval; no interval of one value.

    mean ± t_{n−1} s / √n,   s² = Σ (x − mean)² / (n − 1)
    """
    mean, count = float(np.mean(values)), len(values)
    if count < 2:
        return {"mean": mean, "low": None, "high": None}
    quantile = float(stdtrit(count - 1, (1 + LEVEL) / 2))
    half = quantile * float(np.std(values, ddof=1)) / count**0.5
    return {"mean": mean, "low": mean - half, "high": mean + half}


def render(found: dict[str, Any], console: Console) -> None:
    """Print the protocol, a row per seed, and the mean over seeds; ``found`` is `evaluate`'s."""
    for line in _protocol(found):
        text = printable(line, console)
        console.print(text, markup=False, highlight=False, soft_wrap=True)
    table = plain_table("seed", "status", "decisions", "mean return", f"{LEVEL:.0%} interval", "n")
    for column in (0, 2, 3, 4, 5):
        table.columns[column].justify = "right"
    for row in found["seeds"]:
        table.add_row(
            str(row["seed"]),
            status_text(row["status"], row["reason"]),
            f"{row['decisions']:,}",
            number(row["mean"]),
            _span(row),
            f"{row['episodes']} episode{'s' * (row['episodes'] > 1)}",
        )
    mean = found["mean"]
    count = f"{mean['runs']} run{'s' * (mean['runs'] > 1)}"
    table.add_section()
    table.add_row("mean", "", "", number(mean["mean"]), _span(mean), count, style="bold")
    show(table, console)
    if film := found["video"]:
        line = f"{film['path']}: first episode of seed {film['seed']}, {film['frames']} frames"
        console.print(printable(line, console), markup=False, highlight=False, soft_wrap=True)


def _protocol(found: dict[str, Any]) -> list[str]:
    told = found["protocol"]
    limit = f"{told['time_limit']:,} decisions" if told["time_limit"] else "none"
    taken = sorted({row["decisions"] for row in found["seeds"]})
    after = f"{taken[0]:,}" if len(taken) == 1 else f"{taken[0]:,} to {taken[-1]:,}"
    return [
        f"{told['environment']}, time limit {limit}: {told['episodes']} episodes a seed, "
        f"{told['actions']}, streams of their own",
        f"checkpoint after {after} decisions; rewards raw, observations {told['observations']}",
        f"intervals: {INTERVAL}; a seed's over its episodes, the mean's over runs",
    ]


def _span(row: dict[str, Any]) -> str:
    if row["low"] is None:
        return NOTHING
    return f"[{number(row['low'])}, {number(row['high'])}]"
