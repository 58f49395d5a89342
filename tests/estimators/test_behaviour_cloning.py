"""Behaviour cloning: the gradient of a log-likelihood, and a copy as good as its expert."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from hydra.utils import instantiate

from pgx.baselines.base import constant
from pgx.environments.cartpole import CartPole
from pgx.errors import ConfigError
from pgx.estimators.behaviour_cloning import BehaviourCloning
from pgx.expert import load_expert
from pgx.policies.categorical_mlp import CategoricalMLP
from pgx.policies.gaussian_mlp import GaussianMLP
from pgx.rollout import Collector
from pgx.streams import Streams
from pgx.types import Baseline, EnvSpec, Rollout
from tests.conftest import Train
from tests.support.oracle import linear_policy, stepping_stones
from tests.support.rollouts import SEEDS, D, N, R, T, part, random_rollout, spec
from tests.support.twins import mlp, slow_score


def make(horizon: int = T, expert: str = "somewhere", seed: int = 0) -> BehaviourCloning:
    return BehaviourCloning(expert, seed, horizon)


def policy(seeds=SEEDS) -> CategoricalMLP:
    return CategoricalMLP(spec(), seeds, [6], "tanh", 1.0)


def zero(rollout: Rollout) -> Baseline:
    return constant(torch.zeros_like(rollout.reward))


def test_one_row_by_hand():
    """Logits 0 and 0, action 1: ∇ log π is (−½, ½) at the logits, and log π = −log 2."""
    rollout = part(random_rollout(steps=1), slice(1), slice(1))
    rollout = replace(rollout, action=torch.ones_like(rollout.action))
    learner = linear_policy(stepping_stones(), (0,), torch.zeros(4, 2))
    found = make(1)(learner, rollout, zero(rollout))
    weight, bias = learner.net.layers(found.gradient)[0]
    assert bias.flatten().tolist() == [-0.5, 0.5]
    seen = rollout.observation[0, 0, 0]
    torch.testing.assert_close(weight[0], torch.stack([-0.5 * seen, 0.5 * seen], dim=1))
    assert found.diagnostics["log_likelihood"].item() == pytest.approx(-np.log(2))
    assert found.diagnostics["entropy"].item() == pytest.approx(np.log(2))


def test_the_gradient_is_that_of_the_mean_log_likelihood():
    """Rewards and ends of episodes have no part in it."""
    rollout, net = random_rollout(1), policy()
    expert = -torch.rand(rollout.reward.shape, generator=torch.Generator().manual_seed(0))
    rollout = replace(rollout, log_prob=expert)
    found = make()(net, rollout, zero(rollout))
    exact = slow_score(net.net, rollout, torch.ones(T, R, N))
    torch.testing.assert_close(found.gradient.double(), exact, rtol=1e-4, atol=1e-5)
    other = replace(rollout, reward=rollout.reward + 5.0, terminated=~rollout.terminated)
    assert torch.equal(make()(net, other, zero(other)).gradient, found.gradient)
    graph = torch.stack([mlp(net.net, net.flat.detach(), x) for x in rollout.observation])
    chosen = torch.log_softmax(graph, -1).gather(-1, rollout.action.unsqueeze(-1))[..., 0]
    mine, theirs = chosen.mean((0, 2)), expert.mean((0, 2))
    torch.testing.assert_close(found.diagnostics["log_likelihood"], mine)
    torch.testing.assert_close(found.diagnostics["divergence"], theirs - mine)


def test_a_gaussian_is_fitted_by_autograds_gradient():
    space = EnvSpec("made-up", (D,), "continuous", 2)
    net = GaussianMLP(space, SEEDS, [6], "tanh", 0.5, 0.7, True, noise_hold=1)
    action = torch.randn(T, R, N, 2, generator=torch.Generator().manual_seed(0))
    rollout = replace(random_rollout(2), action=action)
    found = make()(net, rollout, zero(rollout)).gradient
    flat = net.flat.detach().double().requires_grad_()
    outputs = torch.stack([mlp(net.net, flat, x.double()) for x in rollout.observation])
    mean, log_std = outputs.chunk(2, -1)
    log_pi = torch.distributions.Normal(mean, log_std.exp()).log_prob(action.double()).sum(-1)
    (exact,) = torch.autograd.grad(log_pi.mean((0, 2)).sum(), flat)
    torch.testing.assert_close(found.double(), exact, rtol=1e-3, atol=1e-4)


def test_ascent_ends_at_the_experts_frequencies():
    """All states alike, and the expert takes action 1 in 26 of 35 rows."""
    rollout = random_rollout(3)
    taken = torch.zeros(T * N, dtype=torch.int64)
    taken[:26] = 1
    rollout = replace(
        rollout,
        observation=torch.zeros_like(rollout.observation),
        action=taken.view(T, 1, N).expand(T, R, N).contiguous(),
    )
    learner = linear_policy(stepping_stones(), SEEDS, torch.zeros(4, 2))
    for _ in range(300):
        with torch.no_grad():
            learner.flat.add_(2.0 * make()(learner, rollout, zero(rollout)).gradient)
    pi = learner(torch.zeros(R, 64, 4)).softmax(-1)[:, 0, 1]
    torch.testing.assert_close(pi.detach(), torch.full((R,), 26 / 35), rtol=1e-4, atol=1e-4)


def test_a_replica_alone_equals_itself_among_others():
    rollout = random_rollout(4, steps=70, slots=8)
    among = make()(policy(), rollout, zero(rollout))
    for r, seed in enumerate(SEEDS):
        own = part(rollout, slice(r, r + 1))
        alone = make()(policy([seed]), own, zero(own))
        assert torch.equal(alone.gradient[0], among.gradient[r])
        for name, numbers in alone.diagnostics.items():
            assert torch.equal(numbers[0], among.diagnostics[name][r])


@pytest.mark.parametrize(
    ("arguments", "key"),
    [
        ((None, 0, 7), r"estimator\.expert=None"),
        (("x", -1, 7), r"estimator\.expert_seed=-1"),
        (("x", 0, 0), r"estimator\.horizon=0"),
    ],
)
def test_values_that_make_no_sense_are_refused(arguments, key):
    with pytest.raises(ConfigError, match=key):
        BehaviourCloning(*arguments)


def played(directory: Path, seed: int) -> float:
    """Mean return of 64 episodes of a part's seed, by its policy as it was saved."""

    def made(config, group, **arguments):
        return instantiate({**config[group], "_partial_": True}, _convert_="all")(**arguments)

    env = CartPole([seed], 64, 500)
    expert = load_expert(make(1, str(directory), seed), env.spec, 1, [], made)
    rollout = Collector(expert, env, Streams([seed], 64), None)(np.ones(1, dtype=bool))
    return float(rollout.reward.sum() / 64)


@pytest.mark.parametrize("normalised", ["false", "true"])
def test_a_copy_is_as_good_as_its_expert(train: Train, tmp_path: Path, normalised):
    """The expert, with its own statistics or without; the copy has statistics of its own."""
    words = ("threads=1", f"normalization.observations={normalised}")
    train("experiment=a2c", *words, "seeds=[1,4]", "decisions=100000", "arm=teacher")
    (teacher,) = (tmp_path / "outputs/adhoc/teacher/cartpole-v1").iterdir()
    given = ("experiment=behaviour_cloning", f"estimator.expert={teacher}", *words)
    given = (*given, "estimator.expert_seed=4", "decisions=20000")
    train(*given, "seeds=3", "arm=copy")
    (copy,) = (tmp_path / "outputs/adhoc/copy/cartpole-v1").iterdir()
    best = played(teacher, 4)
    assert best > 150
    for seed in range(3):
        assert played(copy, seed) > 0.8 * best
    own = pl.read_parquet(copy / "evaluations.parquet").filter(pl.col("decisions") > 15_000)
    assert own.group_by("seed").agg(pl.mean("return_raw"))["return_raw"].min() > 0.8 * best
    episodes = pl.read_parquet(copy / "episodes.parquet")  # the expert's, from the first on
    first = episodes.filter(pl.col("decisions") < 8000)["return_raw"].mean()
    assert first == pytest.approx(best, rel=0.4)
    metrics = pl.read_parquet(copy / "metrics.parquet").filter(pl.col("seed") == 1)
    assert metrics["divergence"][-1] < 0.2 * metrics["divergence"][0]
    train(*given, "seeds=[1]", "arm=alone")
    (alone,) = (tmp_path / "outputs/adhoc/alone/cartpole-v1").iterdir()
    mine = pl.read_parquet(alone / "metrics.parquet").drop("wall_s")
    assert mine.equals(metrics.drop("wall_s"))
