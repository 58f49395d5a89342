"""The gradient's variance beside training: its numbers, and that it leaves everything as it was."""

from __future__ import annotations

from itertools import product
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch

from pgx.build import build
from pgx.config import compose_config
from pgx.diagnostics import COLUMNS, GradientDiagnostics, spread
from pgx.errors import ConfigError
from pgx.module import PolicyGradient
from pgx.names import config_hash
from tests.support.arms import arm, tensors, trained
from tests.support.oracle import linear_policy, logits_of, no_baseline, reward_to_go
from tests.support.oracle import stepping_stones as stones
from tests.support.rollouts import N, R, every_outcome, regrouped

ARM = ("estimator=reward_to_go", "baseline=value", "environment.slots=3")
EVERY = "diagnostics.gradient_every=2"


def test_two_estimates_by_hand():
    """(1, 4) and (3, 0): mean (2, 2), tr Ĉ = 2 + 8, and (8 − 10/2)/10."""
    estimates = torch.zeros(1, 2, 64)
    estimates[0, :, :2] = torch.tensor([[1.0, 4.0], [3.0, 0.0]])
    found = spread(estimates)
    assert tuple(found) == COLUMNS
    assert [value.tolist() for value in found.values()] == [[10.0], [pytest.approx(0.3)]]


def test_it_is_numpys_covariance_and_a_replica_alone_has_the_same_bits():
    estimates = torch.randn(R, N, 128, generator=torch.Generator().manual_seed(2))
    among = spread(estimates)
    for r in range(R):
        trace = np.trace(np.cov(estimates[r].double().numpy().T))
        mean = estimates[r].double().mean(0)
        snr = (float(mean @ mean) - trace / N) / trace
        wanted = (pytest.approx(trace, rel=1e-5), pytest.approx(snr, rel=1e-4))
        assert tuple(float(value[r]) for value in among.values()) == wanted
        alone = spread(estimates[r : r + 1].clone())
        assert all(torch.equal(alone[name][0], among[name][r]) for name in COLUMNS)


def test_over_every_pair_the_mean_is_the_variance():
    """Of one trajectory of eight equally likely ones; the numerator's is the squared mean."""
    mdp, even = stones(), [[1, 1]] * 4
    pairs = np.array(list(product(range(8), repeat=2)))
    each = regrouped(every_outcome(mdp, even, 3), pairs)
    policy = linear_policy(mdp, range(64), logits_of(even))
    baseline = no_baseline(mdp, range(64))(each)
    found = GradientDiagnostics(1)(0, policy, each, reward_to_go(), baseline)
    single = reward_to_go().trajectories(policy, each, baseline)[::8, 0].double()  # one of each
    variance = single.var(0, correction=0).sum().item()
    assert found[COLUMNS[0]].mean().item() == pytest.approx(variance, rel=1e-5)
    variances, ratios = (value.double() for value in found.values())
    square = single[torch.from_numpy(pairs[:, 0])].square().sum(1)  # of both if they are equal
    signal = torch.where(variances > 0, variances * ratios, square)
    assert signal.mean().item() == pytest.approx(single.mean(0).square().sum().item(), rel=1e-4)


@pytest.mark.parametrize("more", [(), ("estimator=gae", "estimator.horizon=16")])
def test_training_and_the_config_hash_are_left_as_they_are(tmp_path: Path, more):
    seeds = [5, 1, 3]
    plain = trained(arm(tmp_path / "plain", (*ARM, *more), seeds), 5)
    measured = trained(arm(tmp_path / "measured", (*ARM, *more, EVERY), seeds), 5)
    for replica in range(3):
        assert all(map(torch.equal, tensors(plain, replica), tensors(measured, replica)))
    before, after = rows(plain, tmp_path / "plain"), rows(measured, tmp_path / "measured")
    assert after.drop(COLUMNS).equals(before, null_equal=True)
    for name in COLUMNS:
        known = after[name].is_finite()
        assert known.to_list() == (after["iteration"] % 2 == 0).to_list()
    assert (after.filter(pl.col("iteration") % 2 == 0)[COLUMNS[0]] > 0).all()
    alone = trained(arm(tmp_path / "alone", (*ARM, *more, EVERY), [3]), 5)
    mine = after.filter(pl.col("seed") == 3)
    assert rows(alone, tmp_path / "alone").equals(mine, null_equal=True)
    hashes = {config_hash(compose_config([*ARM, *words])) for words in ((), (EVERY,))}
    assert len(hashes) == 1


def rows(module: PolicyGradient, directory: Path) -> pl.DataFrame:
    module.tracker.finish()
    return pl.read_parquet(directory / "metrics.parquet").drop("wall_s")


def test_on_a_reused_rollout_the_first_step_is_measured(tmp_path: Path):
    once, reused = (
        trained(arm(tmp_path / str(k), (*ARM, EVERY, f"rollouts_reused={k}"), [3]), 1)
        for k in (1, 3)
    )
    left, right = rows(once, tmp_path / "1"), rows(reused, tmp_path / "3")
    assert left.select(COLUMNS).equals(right.select(COLUMNS))


@pytest.mark.parametrize(("before", "after"), [((), (EVERY,)), ((EVERY,), ())])
def test_a_run_goes_on_with_the_columns_it_began_with(tmp_path: Path, before, after):
    first = trained(arm(tmp_path, (*ARM, *before), [3]), 2)
    state, written = first.state(), first.tracker.state_dict()
    first.tracker.close()
    second = arm(tmp_path, (*ARM, *after), [3])
    second.load_state(state)
    second.tracker.load_state_dict(written)
    said = second.diagnostics.continued(second.tracker.columns)
    found = rows(trained(second, 3), tmp_path)
    assert len(found) == 5 and (COLUMNS[0] in found.columns) == bool(before)
    assert (said is not None) == bool(after)
    if before:
        assert found[COLUMNS[0]].is_finite().to_list() == [True, False, False, False, False]


def test_before_the_first_row_nothing_is_decided():
    asked = GradientDiagnostics(3)
    assert asked.continued(None) is None and asked.recorded
    assert GradientDiagnostics(None).recorded is False


@pytest.mark.parametrize(
    ("words", "line"),
    [
        (("diagnostics.gradient_every=0",), "gradient_every=0: choose a whole number"),
        ((EVERY, "environment.slots=1"), "environment.slots of at least 2"),
        (
            (EVERY, "estimator=exact", "baseline=none", "environment=corridor"),
            "estimator=exact has no estimate from single trajectories",
        ),
        (("+diagnostics.gradient_evry=3",), "'gradient_every'"),
    ],
)
def test_what_cannot_be_measured_is_one_line(words, line):
    with pytest.raises(ConfigError) as caught:
        build(compose_config(list(words)), (0,))
    assert line in str(caught.value) and "\n" not in str(caught.value)
