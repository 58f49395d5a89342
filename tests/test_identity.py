"""A seed's run is its own: alone, among others, or split over parts, it is the same bit for bit."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
import torch

from pgx.checkpoint import load_checkpoint
from tests.conftest import Train

ITERATIONS = 100
ARMS = {
    # T-step rollouts: 100 iterations of 32 decisions in 8 slots
    "a2c": ("experiment=a2c", f"decisions={ITERATIONS * 32 * 8}"),
    # complete episodes of unequal length; replicas reach their budget in different iterations
    "reward_to_go": (
        "estimator=reward_to_go",
        "baseline=value",
        "environment.slots=3",
        "decisions=20000",
        "optimizer.learning_rate=0.0005",
    ),
    # running statistics of unequal episodes, two steps on every rollout, a bonus that fades
    "normalised": (
        "estimator=reward_to_go",
        "baseline=value",
        "environment.slots=3",
        "decisions=20000",
        "optimizer.learning_rate=0.0001",
        "normalization.observations=true",
        "normalization.rewards=true",
        "rollouts_reused=2",
        "estimator.entropy=monte_carlo",
        "estimator.entropy_coefficient={start: 0.1, end: 0.0, until: 0.5}",
    ),
}


def part(train: Train, folder: Path, arm: str, name: str, seeds: str) -> Path:
    """Train ``seeds`` of an arm in a process of its own; the part's directory."""
    train(*ARMS[arm], f"seeds={seeds}", "arm=x", f"output={name}", "threads=2")
    (directory,) = (folder / name).glob("adhoc/x/cartpole-v1/seeds-*")
    return directory


def rows(directory: Path, kind: str, seed: int) -> pl.DataFrame:
    frame = pl.read_parquet(directory / f"{kind}.parquet").drop("wall_s")
    return frame.filter(pl.col("seed") == seed)


def parameters(directory: Path, index: int) -> list[torch.Tensor]:
    state = load_checkpoint(directory)
    assert state is not None
    learners = state["module"]["learners"]
    memory = [value for learner in learners for value in learner.values()]
    memory += state["module"]["memory"]
    return [tensor[index] for tensor in [*state["module"]["parameters"], *memory]]


def assert_same_run(one: Path, first: int, other: Path, second: int, seed: int) -> None:
    """Every row but the wall time, every parameter and every moment of the optimizer."""
    for kind in ("episodes", "metrics"):
        assert rows(one, kind, seed).equals(rows(other, kind, seed), null_equal=True), kind
    assert rows(one, "metrics", seed).height >= ITERATIONS
    pairs = zip(parameters(one, first), parameters(other, second), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


@pytest.mark.parametrize("arm", ARMS)
def test_a_seed_alone_is_the_seed_among_others(train: Train, tmp_path: Path, arm: str) -> None:
    together = part(train, tmp_path, arm, "together", "5")
    alone = part(train, tmp_path, arm, "alone", "[3]")
    assert_same_run(alone, 0, together, 3, seed=3)


def test_the_union_of_two_parts_is_one_part(train: Train, tmp_path: Path) -> None:
    arm = "reward_to_go"
    together = part(train, tmp_path, arm, "together", "[7,2,5]")
    first = part(train, tmp_path, arm, "first", "[5,7]")
    second = part(train, tmp_path, arm, "second", "[2]")
    for seed, index, directory, place in ((7, 0, first, 1), (2, 1, second, 0), (5, 2, first, 0)):
        assert_same_run(directory, place, together, index, seed)
    lengths = pl.read_parquet(together / "episodes.parquet")["length"]
    assert lengths.n_unique() > 20
