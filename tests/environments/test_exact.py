"""Values, visits and gradients by linear algebra agree with each other and with slow twins."""

from __future__ import annotations

import functools

import numpy as np
import pytest
import torch

from pgx.environments.cartpole import CartPole
from pgx.environments.exact import (
    action_value,
    chain,
    gradient,
    objective,
    probabilities,
    state_distribution,
    state_value,
    visits,
)
from pgx.environments.mdp import MDP
from pgx.environments.tabular import Tabular
from pgx.errors import ConfigError
from pgx.policies.categorical_linear import CategoricalLinear
from pgx.policies.categorical_mlp import CategoricalMLP
from pgx.policies.categorical_shared import CategoricalShared
from pgx.policies.lifted import Lifted

S, A, R, DISCOUNT = 6, 4, 3, 0.9


def random_mdp(seed: int, successor_rewards: bool = False) -> MDP:
    """S states of which the last is terminal; probabilities and rewards are random."""
    rng = np.random.default_rng(seed)
    terminal = np.arange(S) == S - 1
    start = rng.dirichlet(np.ones(S - 1))
    return MDP(
        transition=rng.dirichlet(np.ones(S), (S, A)),
        reward=rng.standard_normal((S, A, S) if successor_rewards else (S, A)),
        start=np.append(start, 0.0),
        terminal=terminal,
        features=rng.standard_normal((S, 2)),
    )


def random_policy(seed: int, *batch: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*batch, S, A, generator=generator, dtype=torch.float64).softmax(-1)


@pytest.mark.parametrize("successor_rewards", [False, True])
def test_values_and_visits_equal_sums_over_time(successor_rewards):
    mdp, policy = random_mdp(0, successor_rewards), random_policy(1)
    reward = mdp.reward if successor_rewards else mdp.reward[:, :, None].expand(S, A, S)
    at = mdp.start.clone()
    total, seen = 0.0, torch.zeros(S, dtype=torch.float64)
    for step in range(400):
        at[-1] = 0.0  # nobody decides at the terminal state
        seen += DISCOUNT**step * at
        joint = at[:, None, None] * policy[:, :, None] * mdp.transition
        total += DISCOUNT**step * float((joint * reward).sum())
        at = joint.sum((0, 1))
    assert objective(mdp, policy, DISCOUNT).item() == pytest.approx(total, rel=1e-12)
    torch.testing.assert_close(visits(mdp, policy, DISCOUNT), seen, rtol=1e-12, atol=1e-12)


def test_bellmans_equations_hold():
    mdp, policy = random_mdp(2, successor_rewards=True), random_policy(3)
    value, action = (f(mdp, policy, DISCOUNT) for f in (state_value, action_value))
    between, reward = chain(mdp, policy)
    torch.testing.assert_close(value, reward + DISCOUNT * between @ value)
    torch.testing.assert_close(value, (policy * action).sum(-1))
    assert value[-1] == 0 and (action[-1] == 0).all()
    seen = visits(mdp, policy, DISCOUNT)
    assert seen[-1] == 0
    assert objective(mdp, policy, DISCOUNT).item() == pytest.approx((seen @ reward).item())


def softmax(theta: torch.Tensor, mdp: MDP) -> torch.Tensor:
    """``[…, F, A]`` parameters to ``[…, S, A]`` probabilities."""
    return (mdp.features @ theta).softmax(-1)


def test_the_gradient_is_the_policy_gradient_theorems_and_finite_differences():
    mdp = random_mdp(4)
    theta = torch.randn(2, A, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    theta.requires_grad_()
    policy = softmax(theta, mdp)
    (exact,) = gradient(mdp, policy, DISCOUNT, [theta])
    weight = visits(mdp, policy, DISCOUNT)[:, None] * action_value(mdp, policy, DISCOUNT)
    theorem = torch.autograd.grad((weight.detach() * softmax(theta, mdp)).sum(), theta)[0]
    torch.testing.assert_close(exact, theorem, rtol=1e-12, atol=1e-12)
    with torch.no_grad():
        for place in np.ndindex(2, A):
            step = torch.zeros(2, A, dtype=torch.float64)
            step[place] = 1e-5
            high, low = (objective(mdp, softmax(theta + s, mdp), DISCOUNT) for s in (step, -step))
            assert exact[place].item() == pytest.approx(((high - low) / 2e-5).item(), rel=1e-7)


def test_a_replica_alone_equals_itself_among_others():
    mdp = random_mdp(6)
    theta = torch.randn(R, 2, A, generator=torch.Generator().manual_seed(7), dtype=torch.float64)
    theta.requires_grad_()

    def answers(part: torch.Tensor) -> list[torch.Tensor]:
        policy = softmax(part, mdp)
        found = [f(mdp, policy, DISCOUNT) for f in (state_value, action_value, visits, objective)]
        return [*found, *gradient(mdp, policy, DISCOUNT, [part])]

    for r in range(R):
        alone = answers(theta[r : r + 1].detach().requires_grad_())
        for one, among in zip(alone, answers(theta), strict=True):
            assert among.shape[0] == R and torch.equal(one[0], among[r])


def test_what_stands_in_terminal_rows_does_not_matter():
    clean, policy = random_mdp(8), random_policy(9, R)
    transition, reward = clean.transition.clone(), clean.reward.clone()
    transition[-1], reward[-1] = torch.nan, torch.inf
    junk = MDP(transition, reward, clean.start, clean.terminal, clean.features)
    policy.requires_grad_()
    assert torch.equal(action_value(junk, policy, 1.0), action_value(clean, policy, 1.0))
    assert gradient(junk, policy, 1.0, [policy])[0].isfinite().all()


def test_a_policy_that_never_ends_has_no_undiscounted_value_and_its_neighbour_has():
    mdp = MDP([[[1.0, 0], [0, 1]], [[0, 1], [0, 1]]], [[1.0, 0], [0, 0]], [1, 0], [False, True])
    stay = torch.tensor([[1.0, 0.0], [0.5, 0.5]], dtype=torch.float64)
    both = torch.stack([stay, torch.full((2, 2), 0.5, dtype=torch.float64)]).requires_grad_()
    found = objective(mdp, both, 1.0)
    assert found[0].isnan() and found[1].item() == 1.0
    assert torch.autograd.grad(found.sum(), both)[0][1].isfinite().all()
    assert state_value(mdp, stay, 0.5)[0].item() == 2.0
    assert state_value(mdp, stay, 1.0, horizon=7)[0].item() == 7.0


def decisions_to_go(mdp: MDP, policy: torch.Tensor, horizon: int) -> torch.Tensor:
    """V by the recurrence, one decision after the other."""
    between, reward = chain(mdp, policy)
    value = torch.zeros_like(reward)
    for _ in range(horizon):
        value = reward + DISCOUNT * (between @ value[..., None])[..., 0]
    return value


@pytest.mark.parametrize("horizon", [1, 2, 3, 12, 37])
def test_a_horizon_cuts_the_sums_off(horizon):
    mdp, policy = random_mdp(10, successor_rewards=True), random_policy(11, R).requires_grad_()
    slow = decisions_to_go(mdp, policy, horizon)
    torch.testing.assert_close(state_value(mdp, policy, DISCOUNT, horizon), slow)
    (fast,) = gradient(mdp, policy, DISCOUNT, [policy], horizon)
    (twin,) = torch.autograd.grad((mdp.start * slow).sum(), policy)
    torch.testing.assert_close(fast, twin)
    action = action_value(mdp, policy, DISCOUNT, horizon)
    torch.testing.assert_close((policy * action).sum(-1), slow)
    at, seen = mdp.start, torch.zeros(R, S, dtype=torch.float64)
    for step in range(horizon):
        seen = seen + DISCOUNT**step * at
        at = (chain(mdp, policy)[0].transpose(-1, -2) @ at.expand(R, S)[..., None])[..., 0]
    torch.testing.assert_close(visits(mdp, policy, DISCOUNT, horizon), seen)


def test_a_distant_horizon_is_none():
    mdp, policy = random_mdp(10), random_policy(11, R)
    for answer in (state_value, action_value, visits, objective):
        torch.testing.assert_close(answer(mdp, policy, 1.0, 10_000), answer(mdp, policy, 1.0))


def test_the_state_distribution_is_visits_as_shares():
    mdp, policy = random_mdp(12), random_policy(13, R)
    shares = state_distribution(mdp, policy, DISCOUNT)
    torch.testing.assert_close(shares.sum(-1), torch.ones(R, dtype=torch.float64))
    seen = visits(mdp, policy, DISCOUNT)
    torch.testing.assert_close(shares * seen.sum(-1, keepdim=True), seen)
    torch.testing.assert_close(state_distribution(mdp, policy, DISCOUNT, 1)[0], mdp.start)


SEEDS = (4, 1, 9)
POLICIES = {
    "linear": lambda spec, seeds: CategoricalLinear(spec, seeds, None),
    "mlp": lambda spec, seeds: CategoricalMLP(spec, seeds, [5], "tanh", 1.0),
    "relu": lambda spec, seeds: CategoricalMLP(spec, seeds, [5, 3], "relu", 1.0),
    "shared": lambda spec, seeds: CategoricalShared(spec, seeds, [5], "tanh", 1.0),
    "lifted": lambda spec, seeds: Lifted(
        spec, seeds, functools.partial(torch.nn.Linear, bias=False)
    ),
}


def made(kind: str, spec, seeds):
    """A policy of random parameters, each replica's by its seed."""
    policy = POLICIES[kind](spec, seeds)
    with torch.no_grad():
        for row, seed in zip(policy.flat, seeds, strict=True):
            row += 0.3 * torch.randn(row.shape, generator=torch.Generator().manual_seed(seed))
    return policy


@pytest.mark.parametrize("kind", POLICIES)
@pytest.mark.parametrize("max_steps", [None, 13])
def test_an_environment_knows_the_objective_of_any_policy(kind, max_steps):
    env = Tabular(SEEDS, 2, random_mdp(14), max_steps)
    policy = made(kind, env.spec, SEEDS)
    shares = probabilities(env.mdp, policy)
    assert shares.dtype == torch.float64
    rows = env.mdp.features.float().expand(R, S, 2)
    rows = torch.cat([rows, rows.new_zeros(R, 64 - S, 2)], dim=1)
    plain = policy.probabilities(policy(rows))[:, :S]
    torch.testing.assert_close(shares.float(), plain, rtol=1e-5, atol=1e-6)
    found = env.objective(policy, DISCOUNT)
    torch.testing.assert_close(found, objective(env.mdp, shares, DISCOUNT, max_steps))
    (slope,) = torch.autograd.grad(found.sum(), policy.flat)
    with torch.no_grad():
        step = 2.0**-7 * torch.randn(slope.shape, generator=torch.Generator().manual_seed(0))
        step *= slope != 0
        moved = []
        for sign in (1.0, -1.0):
            policy.flat.add_(sign * step)
            moved.append(env.objective(policy, DISCOUNT))
            policy.flat.sub_(sign * step)
    wanted = (slope * step).sum(1).double()
    torch.testing.assert_close((moved[0] - moved[1]) / 2, wanted, rtol=1e-2, atol=1e-6)


@pytest.mark.parametrize("kind", POLICIES)
@pytest.mark.parametrize("max_steps", [None, 10_000])
def test_a_seeds_objective_alone_is_its_objective_among_others(kind, max_steps):
    def answers(seeds) -> list[torch.Tensor]:
        env = Tabular(seeds, 2, random_mdp(14), max_steps)
        policy = made(kind, env.spec, seeds)
        found = env.objective(policy, 1.0)
        return [found, torch.autograd.grad(found.sum(), policy.flat)[0]]

    among = answers(SEEDS)
    for place, seed in enumerate(SEEDS):
        for one, many in zip(answers((seed,)), among, strict=True):
            assert torch.equal(one[0], many[place])


def test_where_nothing_is_known_the_line_says_what_works():
    env = CartPole((0,), 2)
    with pytest.raises(ConfigError, match=r"CartPole-v1 has no exact answer; .*=corridor"):
        env.objective(CategoricalLinear(env.spec, (0,), None), 1.0)


@pytest.mark.parametrize("policy", [torch.ones(S, A), torch.ones(A, S).double()])
def test_probabilities_of_another_shape_or_dtype_are_refused(policy):
    with pytest.raises(ValueError, match="probabilities are"):
        state_value(random_mdp(0), policy, DISCOUNT)
