"""GROUND_TRUTH 3 and 4 over every trajectory: what shares a mean, and what is best of all."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor

from pgx.baselines.base import BaselineModel, constant
from pgx.baselines.optimal import Optimal
from pgx.environments.exact import action_value, probabilities, state_value, visits
from pgx.environments.random_mdp import RandomMDP
from pgx.environments.tabular import Tabular
from pgx.environments.two_action import TwoAction
from pgx.estimators.trajectories import squared_scores, trajectory_gradients
from pgx.gradients.arms import Arm
from pgx.gradients.enumerate import every_trajectory
from pgx.gradients.exact import ExactMoments, exact_moments
from pgx.gradients.yardsticks import ExactValue
from pgx.policies.clamp import Clamp
from pgx.returns import discounted_return
from pgx.types import Baseline, Rollout
from tests.support.oracle import branching, linear_policy, no_baseline, reinforce, reward_to_go

ONE, STEPS, DISCOUNT = (0,), 3, 0.9


class Level(BaselineModel):
    """The same number everywhere."""

    def __init__(self, env: Tabular, level: float) -> None:
        super().__init__(env.spec, ONE)
        self.level = level

    def forward(self, rollout: Rollout) -> Baseline:
        return constant(torch.full_like(rollout.reward, self.level))


def moments(env: Tabular, estimator, baseline, policy) -> ExactMoments:
    found = exact_moments(env, Arm("", "", estimator, baseline, policy, None, 1))
    assert isinstance(found, ExactMoments), found
    return found


def differences(env: Tabular, policy) -> Tensor:
    """∇J by central finite differences, float64 ``[P]``."""
    found, step = torch.zeros(policy.flat.shape[1], dtype=torch.float64), 1e-6
    for place in torch.nonzero(policy.free)[:, 0]:
        ends = []
        for sign in (1, -1):
            policy.flat.data[0, place] += sign * step
            ends.append(env.objective(policy, DISCOUNT).item())
            policy.flat.data[0, place] -= sign * step
        found[place] = (ends[0] - ends[1]) / (2 * step)
    return found


def test_six_weights_share_one_mean_which_is_that_of_finite_differences():
    """Identities 3, 4 and 5, three decisions of a random process, γ = .9 with γᵗ kept."""
    mdp = branching()
    env = Tabular(ONE, 1, mdp, STEPS)
    draws = torch.randn(5, 3, generator=torch.Generator().manual_seed(6))
    policy = copy.deepcopy(linear_policy(mdp, ONE, draws)).double()
    chosen = probabilities(mdp, policy)[0].detach()
    listing = every_trajectory(mdp, chosen, STEPS)
    rollout, state = listing.rollout, listing.states
    length = len(state)
    left = [STEPS - t for t in range(length)]  # decisions to go
    value = torch.stack([state_value(mdp, chosen, DISCOUNT, h) for h in [*left, 0]])  # [T + 1, S]
    action = torch.stack([action_value(mdp, chosen, DISCOUNT, h) for h in left])
    t = torch.arange(length)[:, None, None]
    v, q = value[t, state], action[t, state, rollout.action]
    after = torch.cat([v[1:], torch.zeros_like(v[:1])])
    to_go = discounted_return(rollout.reward, rollout.ended, DISCOUNT)
    power = DISCOUNT ** t.double()
    arbitrary = torch.linspace(-7.3, 2.0, 5, dtype=torch.float64)[state]
    weights = {
        "total return": to_go[0].expand_as(to_go),
        "reward-to-go": power * to_go,
        "minus b(s)": power * (to_go - arbitrary),
        "exact Q": power * q,
        "advantage": power * (q - v),
        "TD error": power * (rollout.reward + DISCOUNT * after.where(~rollout.ended, 0.0) - v),
    }
    wanted, variances = differences(env, policy), {}
    assert wanted.norm() > 0.1
    for name, weight in weights.items():
        single = trajectory_gradients(policy, rollout, weight)[0]
        mean = listing.probability @ single
        torch.testing.assert_close(mean, wanted, rtol=1e-6, atol=1e-8, msg=name)
        variances[name] = (listing.probability @ (single - mean).square()).sum().item()
    assert len({round(variance, 6) for variance in variances.values()}) == 6
    past = trajectory_gradients(policy, rollout, weights["total return"] - weights["reward-to-go"])
    zero = torch.zeros_like(wanted)
    torch.testing.assert_close(listing.probability @ past[0], zero, rtol=0, atol=1e-12)


def test_the_policy_gradient_theorem():
    """Identity 4: ∇J = Σ_s η(s) Σ_a Q(s, a) ∇π(a|s), η = (I − γ Pᵀ)⁻¹ d₀, on a Garnet process."""
    env = RandomMDP(ONE, 1, 3, 6, 3, 2, 0.1)
    draws = torch.randn(env.mdp.features.shape[1], 3, generator=torch.Generator().manual_seed(2))
    policy = copy.deepcopy(linear_policy(env.mdp, ONE, draws)).double()
    chosen = probabilities(env.mdp, policy)
    seen = visits(env.mdp, chosen, DISCOUNT).detach()
    worth = action_value(env.mdp, chosen, DISCOUNT).detach()
    (found,) = torch.autograd.grad((seen[..., None] * worth * chosen).sum(), policy.flat)
    torch.testing.assert_close(found[0], differences(env, policy), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("rewards", [(0.0, 1.0), (1.0, 0.0), (-3.0, 5.0)])
def test_the_two_action_example_at_two_tenths(rewards):
    """GROUND_TRUTH 3: b* = .8 R_L + .2 R_R leaves no variance; V may be worse than none."""
    env, policy = (
        TwoAction(ONE, 1, rewards),
        Clamp(TwoAction(ONE, 1, rewards).spec, ONE, 0.2, False),
    )
    best = Optimal(env.spec, ONE, "held_out")
    best.serve(policy, reinforce())
    free = policy.free
    plain, value = (
        moments(env, reinforce(), baseline, policy)
        for baseline in (no_baseline(env.mdp, ONE), ExactValue(env, policy, 1.0))
    )
    left, right = rewards
    for found in (plain, value):
        assert found.mean[free].item() == pytest.approx(left - right, rel=1e-6)
    if rewards == (0.0, 1.0):
        assert plain.variance[free].item() == pytest.approx(0.25, rel=1e-6)
        assert value.variance[free].item() == pytest.approx(2.25, rel=1e-6)
    listing = every_trajectory(env.mdp, torch.tensor([[0.2, 0.8]] * 2).double(), None)
    rollout, chance = listing.rollout, listing.probability
    square = squared_scores(
        copy.deepcopy(policy).double(), rollout, torch.ones_like(rollout.reward)
    )
    under = chance @ square[0, :, free]
    level = (chance @ (square[0, :, free] * rollout.reward[0, 0][:, None]) / under).item()
    assert level == pytest.approx(0.8 * left + 0.2 * right, rel=1e-6)
    assert moments(env, reinforce(), Level(env, level), policy).variance[free].item() < 1e-9


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_lectures_constant_is_not_the_optimum_of_a_trajectorys_sum(seed):
    """r_base makes one decision's term best; the parabola over constants has a lower minimum."""
    env = RandomMDP(ONE, 1, seed, 5, 2, 2, 0.2)
    draws = torch.randn(env.mdp.features.shape[1], 2, generator=torch.Generator().manual_seed(seed))
    policy, estimator = linear_policy(env.mdp, ONE, draws), reward_to_go(discount=DISCOUNT)
    estimator.discount_weighting = True
    best = Optimal(env.spec, ONE, "held_out")
    best.serve(policy, estimator)
    lecture = moments(env, estimator, best, policy).variance
    levels = [moments(env, estimator, Level(env, level), policy) for level in (-1.0, 0.0, 1.0)]
    low, none, high = (level.variance for level in levels)
    bend, slope = (low + high) / 2 - none, (high - low) / 2
    some = bend > 1e-9
    least = (none - slope.square() / (4 * bend))[some]
    ratio = lecture[some] / least
    assert (ratio >= 1 - 1e-9).all() and 1 + 1e-6 < ratio.max() < 1.5
