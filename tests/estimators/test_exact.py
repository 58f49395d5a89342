"""The exact gradient as an estimator: what it is, what it ignores, and where it is refused."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
import torch

from pgx.build import build
from pgx.config import compose_config
from pgx.environments.corridor import LEFT, RIGHT, Corridor, corridor
from pgx.environments.tabular import Tabular
from pgx.errors import ConfigError
from pgx.estimators.exact import Exact
from pgx.types import Baseline
from tests.support.arms import arm, tensors, trained
from tests.support.oracle import (
    Truth,
    assert_close,
    branching,
    gradients,
    linear_policy,
    logits_of,
)
from tests.support.rollouts import SEEDS, R, changed, part, random_rollout

ARM = ("estimator=exact", "baseline=none", "environment=corridor", "policy=categorical_linear")


def no_baseline(rollout) -> Baseline:
    return Baseline(torch.zeros_like(rollout.reward), torch.zeros_like(rollout.reward))


def on_branches(seeds=SEEDS, discount: float = 0.9):
    """The estimator, and policies of these seeds with parameters of their own."""
    mdp = branching()
    env, estimator = Tabular(seeds, 5, mdp), Exact(discount, "end")
    policy = linear_policy(mdp, seeds, torch.zeros(5, 3))
    for row, seed in zip(policy.net.layers(policy.flat.data)[0][0], seeds, strict=True):
        row.copy_(torch.randn(5, 3, generator=torch.Generator().manual_seed(seed)))
    estimator.attach(policy, env)
    return mdp, policy, estimator


def rollout_of(seeds=R):
    return random_rollout(complete=True, replicas=seeds, width=5, actions=3)


@pytest.mark.parametrize(("p", "slope"), [(0.05, 75.894737), (0.5, 2.0), (0.95, -37.789474)])
def test_figures_of_the_corridor(p, slope):
    """dJ/dθ of the logit of right (GROUND_TRUTH 1), whatever was rolled out."""
    policy, estimator = linear_policy(corridor(), (0,), logits_of([[1 - p, p]])), Exact(1.0, "end")
    estimator.attach(policy, Corridor((0,), 1))
    rollout = random_rollout(complete=True, replicas=1, width=1)
    found = estimator(policy, rollout, no_baseline(rollout))
    ways = gradients(policy, found.gradient)[0, :2]
    torch.testing.assert_close(ways[RIGHT].item(), slope, rtol=2e-6, atol=1e-5)
    torch.testing.assert_close(ways[LEFT].item(), -slope, rtol=2e-6, atol=1e-5)
    exact = -2 * (2 - p) / (p * (1 - p))
    assert found.diagnostics["objective"].item() == pytest.approx(exact, rel=1e-6)


@pytest.mark.parametrize("discount", [1.0, 0.9, 0.0])
def test_each_replica_gets_the_gradient_of_its_own_policy(discount):
    mdp, policy, estimator = on_branches(discount=discount)
    rollout = rollout_of()
    found = estimator(policy, rollout, no_baseline(rollout)).gradient
    for r, seed in enumerate(SEEDS):
        alone = on_branches((seed,))[1]
        assert_close(gradients(policy, found)[r], Truth(mdp, alone).of_objective(discount))


def test_the_discount_changes_the_gradient():
    rollout, found = rollout_of(), []
    for discount in (0.9, 0.5):
        _, policy, estimator = on_branches(discount=discount)
        found.append(estimator(policy, rollout, no_baseline(rollout)).gradient)
    assert (found[0] - found[1]).abs().amax(1).min() > 0.01


def test_the_rollout_does_not_matter():
    _, policy, estimator = on_branches()
    first, second = rollout_of(), random_rollout(9, True, width=5, actions=3)
    found = [estimator(policy, one, no_baseline(one)).gradient for one in (first, second)]
    assert torch.equal(*found)
    wrong = changed(first, "reward", (0, 1, 0), torch.nan)
    assert torch.equal(estimator(policy, wrong, no_baseline(wrong)).gradient, found[0])


def test_a_replica_alone_equals_itself_among_others_and_a_broken_one_stays_apart():
    _, policy, estimator = on_branches()
    rollout = rollout_of()
    among = estimator(policy, rollout, no_baseline(rollout))
    for r, seed in enumerate(SEEDS):
        _, one, lone = on_branches((seed,))
        mine = part(rollout, slice(r, r + 1))
        alone = lone(one, mine, no_baseline(mine))
        assert torch.equal(alone.gradient[0], among.gradient[r])
        assert torch.equal(alone.diagnostics["objective"][0], among.diagnostics["objective"][r])
    policy.flat.data[1, 0] = torch.nan
    broken = estimator(policy, rollout, no_baseline(rollout)).gradient
    assert torch.equal(broken[[0, 2]], among.gradient[[0, 2]]) and broken[1].isnan().any()


def refused(*overrides: str) -> str:
    with pytest.raises(ConfigError) as caught:
        build(compose_config([*ARM, *overrides]), (0,))
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_what_it_does_not_fit_is_refused_in_one_line():
    assert "no exact answer" in refused("environment=cartpole")
    assert "estimator=exact baseline=value" in refused("baseline=value")
    assert "normalization" in refused("normalization.rewards=true")
    assert "bootstrap" in refused("estimator.time_limit=bootstrap")


def test_it_is_an_arm_that_climbs_and_a_seed_is_its_own(tmp_path: Path):
    words = (*ARM, "optimizer=sgd", "optimizer.learning_rate=0.02", "estimator.discount=1.0")
    words = (*words, "policy.initial_logits=[1.47,-1.47]", "decisions=100000000")
    alone = arm(tmp_path / "alone", words, [1])
    climbed = [-82.2]
    for _ in range(40):
        trained(alone, 1)
        climbed.append(alone.env.objective(alone.policy, 1.0).item())
    assert climbed[-1] > -11.8 and all(a < b + 1e-5 for a, b in pairwise(climbed))
    among = trained(arm(tmp_path / "among", words, [0, 1, 2]), 40)
    assert all(map(torch.equal, tensors(alone, 0), tensors(among, 1)))
    assert among.decisions[1] == alone.decisions[0] != among.decisions[0]
