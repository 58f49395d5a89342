"""Evaluations: apart from training, the same alone or among others, and none of them twice."""

from __future__ import annotations

import signal
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
import torch

from pgx.build import build, build_environment, build_evaluation, evaluation_slots
from pgx.checkpoint import load_checkpoint
from pgx.config import compose_config
from pgx.errors import ConfigError
from pgx.evaluation import (
    USES,
    Evaluation,
    Evaluations,
    Protocol,
    evaluation_seeds,
    slots_at_once,
)
from pgx.module import PolicyGradient
from pgx.names import config_hash
from pgx.streams import Stream
from pgx.tracking.files import FileTracker
from pgx.train import make_plan
from pgx.types import EnvSpec
from tests.conftest import Train
from tests.test_resume import stop_in_the_middle

SEEDS = (4, 9, 2)
A2C = ("experiment=a2c", "estimator.horizon=16")
EPISODES = ("estimator=reward_to_go", "baseline=none", "environment.slots=3")
NORMALISED = ("normalization.observations=true", "normalization.rewards=true")
SAMPLED = ("evaluation.deterministic=false",)


class Trial:
    """A part that trains in this process, with evaluations or without."""

    def __init__(self, folder: Path, *overrides: str, preset=A2C, seeds=SEEDS, budget=3000) -> None:
        words = ["evaluation.every=500", "evaluation.episodes=5", *overrides]
        self.config = compose_config([*preset, *words])
        self.parts = build(self.config, seeds)
        evaluates = self.config.evaluation.every is not None
        self.tracker = FileTracker(folder, seeds, self.parts.env.slots, evaluates)
        self.module = PolicyGradient(self.parts, seeds, budget, None, self.tracker)
        self.evaluations: Evaluations | None = None
        if evaluates:
            evaluation = build_evaluation(self.config, self.parts, seeds)
            self.evaluations = Evaluations(evaluation, self.tracker)

    def run(self, iterations: int = 10_000) -> Trial:
        for index in range(iterations):
            if not self.module.alive.any():
                break
            self.module.training_step(0, index)
            if self.evaluations:
                self.evaluations.on_train_batch_end(None, self.module, None, None, index)
        return self

    def state(self) -> dict[str, Any]:
        assert self.evaluations
        state = {"module": self.module.state(), "tracker": self.tracker.state_dict()}
        return state | {"evaluations": self.evaluations.state_dict()}

    def load(self, state: dict[str, Any]) -> Trial:
        assert self.evaluations
        self.module.load_state(state["module"])
        self.tracker.load_state_dict(state["tracker"])
        self.evaluations.load_state_dict(state["evaluations"])
        return self

    def rows(self) -> pl.DataFrame:
        self.tracker.finish()
        return pl.read_parquet(self.tracker.directory / "evaluations.parquet")


def test_every_replica_is_evaluated_at_multiples_and_at_its_end(tmp_path: Path) -> None:
    trial = Trial(tmp_path, "environment.slots=3", budget=1200).run()  # 48 decisions an iteration
    rows = trial.rows()
    assert rows.columns == ["seed", "iteration", "decisions", "episode", "return_raw", "length"]
    # 500 is crossed in iteration 10 (528), 1000 in iteration 20 (1008), the end is 1200 (24)
    for seed in SEEDS:
        own = rows.filter(pl.col("seed") == seed)
        assert own["decisions"].to_list() == [528] * 5 + [1008] * 5 + [1200] * 5
        assert own["iteration"].to_list() == [10] * 5 + [20] * 5 + [24] * 5
        assert own["episode"].to_list() == list(range(15))
    assert (rows["return_raw"] == rows["length"]).all()  # CartPole pays 1 per decision
    metrics = pl.read_parquet(tmp_path / "metrics.parquet")
    same = rows.join(metrics, on=["seed", "iteration", "decisions"], how="semi")
    assert same.height == rows.height  # a row of metrics has the same names for the same moment


def test_who_is_due(tmp_path: Path) -> None:
    config = compose_config(["evaluation.every=100"])
    evaluation = build_evaluation(config, build(config, SEEDS), SEEDS)
    evaluations = Evaluations(evaluation, FileTracker(tmp_path, SEEDS, 1, evaluates=True))
    evaluations._latest[...] = [90, 100, 250]
    for decisions, due in (
        ([99, 150, 250], [False, False, False]),
        ([100, 199, 299], [True, False, False]),
        ([350, 200, 300], [True, True, True]),  # one evaluation, however many were crossed
        ([90, 320, 250], [False, True, False]),  # the others are frozen
    ):
        np.testing.assert_array_equal(evaluations.due(np.array(decisions), 1000), due)
    np.testing.assert_array_equal(evaluations.due(np.array([90, 120, 250]), 120), [0, 1, 0])
    evaluations._latest[...] = [90, 120, 250]
    assert not evaluations.due(np.array([90, 120, 250]), 120).any()  # the end comes once


@pytest.mark.parametrize("more", [(), NORMALISED, SAMPLED], ids=["plain", "normalised", "sampled"])
def test_evaluating_changes_no_bit_of_training(tmp_path: Path, more: tuple[str, ...]) -> None:
    with_them = Trial(tmp_path / "a", *more).run()
    without = Trial(tmp_path / "b", *more, "evaluation.every=null").run()
    assert without.evaluations is None
    assert_equal(with_them.module.state(), without.module.state())
    assert with_them.rows().height == 3 * 6 * 5
    without.tracker.finish()
    for kind in ("episodes", "metrics"):
        one, other = (
            pl.read_parquet(tmp_path / name / f"{kind}.parquet").drop("wall_s") for name in "ab"
        )
        assert one.equals(other, null_equal=True)
    assert not (tmp_path / "b" / "evaluations.parquet").exists()


@pytest.mark.parametrize(
    ("preset", "more"),
    [(A2C, ()), (A2C, (*NORMALISED, *SAMPLED)), (EPISODES, ())],
    ids=["plain", "normalised", "episodes"],
)
def test_a_seed_alone_has_the_evaluations_it_has_among_others(
    tmp_path: Path, preset: tuple[str, ...], more: tuple[str, ...]
) -> None:
    together = Trial(tmp_path / "a", *more, preset=preset).run().rows()
    alone = Trial(tmp_path / "b", *more, preset=preset, seeds=(9,)).run().rows()
    assert alone.height >= 30
    assert alone["length"].n_unique() > 3
    assert together.filter(pl.col("seed") == 9).equals(alone)


@pytest.mark.parametrize("more", [(), (*NORMALISED, *SAMPLED)], ids=["plain", "normalised"])
def test_interrupted_and_resumed_holds_every_evaluation_once(
    tmp_path: Path, more: tuple[str, ...]
) -> None:
    whole = Trial(tmp_path / "whole", *more).run()
    first = Trial(tmp_path / "cut", *more).run(9)
    state = first.state()
    first.run(9)  # evaluations that the checkpoint knows nothing of
    assert first.evaluations
    assert first.evaluations.evaluation.played[0] > state["evaluations"]["evaluation"]["played"][0]
    first.tracker.close()
    second = Trial(tmp_path / "cut", *more).load(state).run()
    assert second.rows().equals(whole.rows())
    assert_equal(second.state()["evaluations"], whole.state()["evaluations"])


def test_a_checkpoint_before_the_first_evaluation_leaves_none_behind(tmp_path: Path) -> None:
    first = Trial(tmp_path).run(1)
    state = first.state()
    first.run(6)
    first.tracker.close()
    second = Trial(tmp_path).load(state).run(1)
    assert second.rows().height == 0


def test_a_slow_twin_plays_the_same_episodes(tmp_path: Path) -> None:
    trial = Trial(tmp_path, *NORMALISED).run()
    due, protocol = np.array([True, False, True]), Protocol(None, 6, True)
    env = build_environment(trial.config, evaluation_seeds(SEEDS, "command"), 3)
    normalization = trial.parts.normalization
    assert normalization
    before = [tensor.clone() for tensor in normalization.tensors()]
    evaluation = Evaluation(trial.parts.policy, env, protocol, normalization)
    returns, lengths = evaluation.play(due)
    assert_equal(before, normalization.tensors())
    assert returns.shape == lengths.shape == (3, 6)
    assert evaluation.played.tolist() == [6, 0, 6]
    assert not returns[1].any()
    for replica in (0, 2):
        twin = one_by_one(trial, replica)
        assert returns[replica].tolist() == lengths[replica].tolist() == twin


def one_by_one(trial: Trial, replica: int) -> list[int]:
    """Lengths of six episodes in three slots: round after round, slot after slot."""
    own = evaluation_seeds(SEEDS, "command")[replica : replica + 1]
    env, found = build_environment(trial.config, own, 3), []
    view, policy = trial.parts.normalization.view(), trial.parts.policy
    for _ in range(2):
        env.reset()
        for slot in range(3):
            active = np.zeros((1, 3), dtype=bool)
            active[0, slot] = True
            for length in range(1, 501):
                shown = np.repeat(env.observation[:, slot : slot + 1], 3, axis=0)
                rows = torch.from_numpy(view(shown)).expand(3, 64, 4)
                with torch.no_grad():
                    action = int(policy(rows)[replica, 0].argmax())
                step = env.step(np.full((1, 3), action), active)
                if step.terminated[0, slot] or step.truncated[0, slot]:
                    found.append(length)
                    break
    return found


def test_sampled_actions_play_other_episodes(tmp_path: Path) -> None:
    trial = Trial(tmp_path).run()
    results = []
    for deterministic in (True, True, False):
        env = build_environment(trial.config, evaluation_seeds(SEEDS, "command"), 5)
        protocol = Protocol(None, 5, deterministic)
        results.append(Evaluation(trial.parts.policy, env, protocol, None).play(np.ones(3, bool)))
    np.testing.assert_array_equal(results[0][0], results[1][0])
    assert (results[0][0] != results[2][0]).any(1).all()


def test_streams_are_those_of_no_one_else() -> None:
    start, seen = np.zeros((1, 1), dtype=np.int64), set()
    for seeds in (SEEDS, *(evaluation_seeds(SEEDS, use) for use in USES)):
        for seed in seeds:
            assert 0 <= seed < 2**63
            for purpose in ("noise", "resets", "dynamics"):
                seen.add(Stream([seed], purpose).bits(start, 1, 2).tobytes())
    assert len(seen) == 3 * (1 + len(USES)) * 3
    assert evaluation_seeds([9], "training") == evaluation_seeds(SEEDS, "training")[1:2]


@pytest.mark.parametrize(
    ("shape", "limit", "episodes", "slots"),
    [
        ((4,), 500, 100, 100),  # 4000 numbers an episode: 4194 fit
        ((4,), 500, 8000, 4000),  # the largest divisor of 8000 at or below 4194
        ((84, 84, 4), 27_000, 10, 1),
        ((16,), None, 100, 50),  # 320,000 numbers each: 52 fit
        ((4,), 500, 4201, 1),  # a prime
    ],
)
def test_no_episode_is_played_in_vain(shape, limit, episodes, slots) -> None:
    spec = EnvSpec("made-up", shape, "discrete", 2, time_limit=limit)
    assert slots_at_once(spec, episodes) == slots


def test_no_more_workers_than_training_has() -> None:
    words = ["environment=gymnasium", "environment.id=CartPole-v1", "environment.slots=8"]
    config, protocol = compose_config(words), Protocol(None, 100, True)
    spec = EnvSpec("CartPole-v1", (4,), "discrete", 2, time_limit=500)
    assert evaluation_slots(config, spec, protocol) == 100
    config.environment.vectorization = "async"
    assert evaluation_slots(config, spec, protocol) == 5  # the largest divisor of 100 up to 8
    assert evaluation_slots(config, spec, Protocol(None, 3, True)) == 3


def test_what_is_not_evaluated_has_one_hash() -> None:
    plain, other = compose_config([]), compose_config(["evaluation.episodes=7"])
    assert config_hash(plain) == config_hash(other)
    often = [compose_config(["evaluation.every=9", f"evaluation.episodes={n}"]) for n in (7, 8)]
    assert len({config_hash(config) for config in [plain, *often]}) == 3


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["evaluation.every=0"], "evaluation.every=0: choose a whole number of at least 1"),
        (["evaluation.every=1.5"], "evaluation.every=1.5: choose a whole number"),
        (["evaluation.episodes=0"], "evaluation.episodes=0: choose a whole number of at least 1"),
        (["evaluation.deterministic=1"], "evaluation.deterministic=1: choose true or false"),
        (["+evaluation.often=1"], "evaluation.often is not a key"),
        (["evaluation=never"], "evaluation=never does not exist"),
        (
            ["environment=corridor", "environment.max_steps=null", "evaluation.every=9"],
            "corridor has no time limit",
        ),
    ],
)
def test_mistakes_name_the_key(words: list[str], said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        make_plan(compose_config(words), words)


def test_without_a_time_limit_sampled_actions_may_be_evaluated() -> None:
    spec = replace(build(compose_config([]), [0]).env.spec, time_limit=None)
    keys = {"every": 9, "episodes": 1, "deterministic": False}
    assert Protocol.of(keys, spec) == Protocol(9, 1, False)
    assert Protocol.of({**keys, "every": None, "deterministic": True}, spec).every is None


def test_killed_and_resumed_holds_every_evaluation_once(train: Train, tmp_path: Path) -> None:
    words = ["experiment=a2c", "estimator.horizon=8", "environment.slots=2", "decisions=15000"]
    words += ["arm=x", "seeds=[4,1]", "threads=1", "checkpoint_every=0.05", "evaluation.every=300"]
    words += ["evaluation.episodes=2"]
    train(*words, "output=whole")
    command = [*words, "output=cut", "resume=true"]
    parts = [tmp_path / name / "adhoc/x/cartpole-v1/seeds-4_1" for name in ("whole", "cut")]
    for wait_s in (0.4, 0.9):
        stop_in_the_middle(tmp_path, command, parts[1], signal.SIGKILL, wait_s).communicate()
    assert (parts[1] / "evaluations.blocks").exists()
    train(*command)
    whole, cut = (pl.read_parquet(part / "evaluations.parquet") for part in parts)
    assert whole.height == 2 * 50 * 2
    assert cut.equals(whole)
    states = [load_checkpoint(part) for part in parts]
    for state in states:
        assert state is not None
        del state["tracker"]  # which knows how long it took
    assert_equal(*states)


def test_training_writes_them_and_refuses_others(train: Train, tmp_path: Path) -> None:
    words = ["experiment=a2c", "seeds=2", "arm=x", "decisions=2048", "threads=1"]
    more = ["evaluation.every=1000", "evaluation.episodes=3"]
    train(*words, *more)
    part = tmp_path / "outputs/adhoc/x/cartpole-v1/seeds-0-1"
    rows = pl.read_parquet(part / "evaluations.parquet")
    assert rows["decisions"].to_list() == [1024] * 3 + [2048] * 3 + [1024] * 3 + [2048] * 3
    assert not (part / "evaluations.blocks").exists()
    assert (
        "evaluation.episodes: 3 → 4"
        in train(*words, "evaluation.every=1000", "evaluation.episodes=4", status=2).stderr
    )


def assert_equal(one: object, other: object) -> None:
    """Nested dicts and lists with equal tensors, bit for bit."""
    if isinstance(one, torch.Tensor):
        assert isinstance(other, torch.Tensor)
        assert torch.equal(one, other)
    elif isinstance(one, dict):
        assert isinstance(other, dict)
        assert one.keys() == other.keys()
        for key in one:
            assert_equal(one[key], other[key])
    elif isinstance(one, list):
        assert isinstance(other, list)
        for left, right in zip(one, other, strict=True):
            assert_equal(left, right)
    else:
        assert one == other
