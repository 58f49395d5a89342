"""Own runs as rows. No Atari game is trained here: pgx's own writers fabricate the parts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from omegaconf import OmegaConf

from pgx.atari.own import AS_TRAINED, EVALUATED, TRAINED, Protocol, game_of, own_rows, protocol_of
from pgx.atari.scores import load
from pgx.config import compose_config
from pgx.errors import ConfigError
from pgx.tracking.blocks import BlockWriter
from pgx.tracking.episodes import EPISODE_ROW, EVALUATION_ROW, METRIC_ROW
from pgx.tracking.manifest import Manifest

GAMES = load().games
STICKY = "sticky 0.25"


def fabricate(
    root: Path,
    *,
    arm: str = "a2c",
    id: str = "ALE/Pong-v5",
    returns: dict[int, Sequence[float]],
    evaluated: dict[int, Sequence[float]] | None = None,
    decisions: int = 1000,
    status: str = "finished",
    **environment: Any,
) -> Path:
    """A part in which seed s ended these episodes, and was evaluated twice if at all.

    The first evaluation's returns are 1,000 higher: a table that takes it instead is found out.
    """
    seeds = list(returns)
    path = root / "atari" / arm / id.split("/")[-1].lower() / f"seeds-{seeds[0]}-{seeds[-1]}"
    manifest = Manifest.begin(
        path,
        study="atari",
        arm=arm,
        environment=path.parent.name,
        seeds=seeds,
        budget=decisions,
        config_hash="abc",
        environment_class="pgx.environments.gymnasium.Gymnasium",
    )
    config = compose_config(["environment=gymnasium", f"environment.id={id}"])
    OmegaConf.set_struct(config, False)
    config.environment = {**config.environment, **environment}
    OmegaConf.save(config, path / "config.yaml", resolve=True)
    _write(path, "metrics", METRIC_ROW, [{"seed": s, "decisions": decisions} for s in seeds])
    rows = [
        {"seed": s, "episode": k, "return_raw": value, "return_train": -1.0}
        for s in seeds
        for k, value in enumerate(returns[s])
    ]
    _write(path, "episodes", EPISODE_ROW, rows)
    played = [
        {"seed": s, "decisions": at, "episode": k + first, "return_raw": value + more}
        for s, values in (evaluated or {}).items()
        for at, first, more in ((decisions // 2, 0, 1000.0), (decisions, 500, 0.0))
        for k, value in enumerate(values)
    ]
    _write(path, "evaluations", EVALUATION_ROW, played)
    for seed in seeds:
        manifest.end_seed(seed, status, decisions=decisions)
    manifest.end(exit=0)
    return path


def _write(path: Path, kind: str, row: dict[str, str], rows: list[dict[str, float]]) -> None:
    if not rows:
        return
    writer = BlockWriter(path / f"{kind}.blocks", row)
    full = {n: np.array([r.get(n, 0) for r in rows], dtype=t) for n, t in row.items()}
    writer.append(full)
    writer.close()


def test_a_runs_score_is_the_mean_of_its_last_100_training_episodes(tmp_path: Path) -> None:
    returns = {0: [-500.0, *[2.0] * 60, *[7.0] * 40], 3: [6.0]}
    fabricate(tmp_path, returns=returns)
    (row,), notes = own_rows(tmp_path, GAMES)
    assert notes == []
    assert row.name == "atari/a2c"
    assert row.protocol == Protocol(AS_TRAINED, STICKY, TRAINED)
    assert row.scores == {"pong": (4.0 + 6.0) / 2}
    assert (row.runs, row.frames) == ({"pong": 2}, (4000, 4000))


def test_a_runs_score_is_the_mean_of_its_last_evaluation_if_it_has_one(tmp_path: Path) -> None:
    fabricate(tmp_path, returns={0: [1.0], 1: [2.0]}, evaluated={0: [10.0, 20.0], 1: [30.0, 50.0]})
    (row,), _ = own_rows(tmp_path, GAMES)
    assert row.protocol.measure == EVALUATED
    assert row.scores == {"pong": (15.0 + 40.0) / 2}


def test_an_arm_is_one_row_over_its_games(tmp_path: Path) -> None:
    fabricate(tmp_path, returns={0: [1.0], 1: [4.0], 2: [7.0]})
    fabricate(tmp_path, returns={0: [100.0]}, id="ALE/UpNDown-v5", decisions=2500)
    fabricate(tmp_path, returns={0: [9.0]}, arm="other")
    rows, _ = own_rows(tmp_path, GAMES)
    assert [row.name for row in rows] == ["atari/a2c", "atari/other"]
    assert rows[0].scores == {"pong": 4.0, "up_n_down": 100.0}
    assert rows[0].runs == {"pong": 3, "up_n_down": 1}
    assert rows[0].frames == (4000, 10_000)


@pytest.mark.parametrize(
    "other",
    [
        {"starts": "noop"},
        {"noop_max": 30},
        {"starts": "human"},
        {"kwargs": {"repeat_action_probability": 0.0}},
        {"kwargs": {"difficulty": 1}},
        {"evaluated": {5: [8.0]}},
    ],
)
def test_two_protocols_are_never_averaged(tmp_path: Path, other: dict[str, Any]) -> None:
    fabricate(tmp_path, returns={0: [1.0]})
    fabricate(tmp_path, returns={5: [8.0]}, **other)
    rows, _ = own_rows(tmp_path, GAMES)
    assert len({row.protocol for row in rows}) == 2
    assert sorted((row.scores["pong"], row.runs["pong"]) for row in rows) == [(1.0, 1), (8.0, 1)]


def test_the_protocol_is_what_the_config_states() -> None:
    def start(**environment: Any) -> str:
        return protocol_of(environment, TRAINED, Path("part")).start

    assert (start(), start(noop_max=0), start(kwargs=None)) == (AS_TRAINED,) * 3
    assert (start(starts="noop"), start(noop_max=30)) == ("no-op starts",) * 2
    assert start(starts="human", noop_max=30) == "human starts"
    kwargs = {"repeat_action_probability": 0, "mode": 2, "obs_type": "ram", "frameskip": 4}
    assert protocol_of({"kwargs": kwargs}, TRAINED, Path("part")).play == "sticky 0, mode 2"
    with pytest.raises(
        ConfigError, match=r"config.yaml: environment.starts=noops is not"
    ) as caught:
        start(starts="noops")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("id", "game"),
    [
        ("ALE/Pong-v5", "pong"),
        ("ale_py:ALE/UpNDown-v5", "up_n_down"),
        ("ALE/MsPacman-v5", "ms_pacman"),
        ("ALE/MontezumaRevenge-v5", "montezuma_revenge"),
        ("ALE/Qbert-v5", "qbert"),
        ("ALE/Qbert", "qbert"),
        ("ALE/Qbert-v4", ""),
        ("PongNoFrameskip-v4", ""),
        ("CartPole-v1", ""),
    ],
)
def test_the_emulators_own_id_of_a_game(id: str, game: str) -> None:
    assert game_of(id) == game
    assert game in ("", *GAMES)


def test_what_cannot_be_a_row_is_left_out_and_named(tmp_path: Path) -> None:
    fabricate(tmp_path, returns={0: [1.0], 1: [2.0]}, status="failed")
    fabricate(tmp_path, returns={4: [1.0]}, id="ALE/Tetris-v5")
    fabricate(tmp_path, returns={5: [1.0]}, kwargs={"frameskip": 2})
    rows, notes = own_rows(tmp_path, GAMES)
    assert rows == []
    assert len(notes) == 3
    assert "ALE/Tetris-v5, seed 4, is left out: there are no published scores" in "\n".join(notes)
    assert "seed 5, is left out: frameskip is 2, not 4" in "\n".join(notes)
    assert notes[-1] == "atari/a2c: runs not finished and left out: 2"


def test_a_run_without_an_episode_has_no_score(tmp_path: Path) -> None:
    fabricate(tmp_path, returns={0: [1.0], 1: []})
    (row,), notes = own_rows(tmp_path, GAMES)
    assert (row.scores, row.runs) == ({"pong": 1.0}, {"pong": 1})
    assert notes == ["atari/a2c on ALE/Pong-v5, seed 1, is left out: it ended no episode"]


def test_runs_of_other_environments_are_not_looked_into(tmp_path: Path) -> None:
    path = fabricate(tmp_path, returns={0: [1.0]}, id="CartPole-v1")
    (path / "manifest.json").write_text("garbage")
    (path / "config.yaml").write_bytes(b"\xff")
    assert own_rows(tmp_path, GAMES) == ([], [])


def test_a_damaged_part_is_one_line(tmp_path: Path) -> None:
    path = fabricate(tmp_path, returns={0: [1.0]})
    for name in ("manifest.json", "config.yaml"):
        (path / name).write_text("ALE/: [")
        with pytest.raises(ConfigError, match=f"seeds-0-0/{name}") as caught:
            own_rows(tmp_path, GAMES)
        assert "\n" not in str(caught.value)


def test_no_runs_are_no_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert own_rows(Path("outputs"), GAMES) == ([], [])
    with pytest.raises(ConfigError, match="--output: there is no folder"):
        own_rows(tmp_path / "output", GAMES)
