"""Values, visits and gradients by linear algebra agree with each other and with slow twins."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pgx.environments.exact import (
    MDP,
    action_value,
    chain,
    gradient,
    objective,
    state_value,
    visits,
)
from pgx.errors import ConfigError

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


def test_a_policy_that_never_ends_has_no_undiscounted_value():
    mdp = MDP([[[1.0, 0], [0, 1]], [[0, 1], [0, 1]]], [[1.0, 0], [0, 0]], [1, 0], [False, True])
    stay = torch.tensor([[1.0, 0.0], [0.5, 0.5]], dtype=torch.float64)
    with pytest.raises(torch.linalg.LinAlgError):
        state_value(mdp, stay, 1.0)
    assert state_value(mdp, stay, 0.5)[0].item() == 2.0


def test_features_are_one_hot_unless_given():
    mdp = MDP([[[1.0, 0]], [[0, 1]]], [[1.0], [0]], [1, 0], [False, True])
    assert torch.equal(mdp.features, torch.eye(2, dtype=torch.float64))


def good() -> dict:
    return {
        "transition": [[[0.5, 0.5], [0, 1]], [[0, 1], [0, 1]]],
        "reward": [[1.0, 2], [0, 0]],
        "start": [1.0, 0],
        "terminal": [False, True],
    }


@pytest.mark.parametrize(
    ("key", "value", "line"),
    [
        (
            "transition",
            [[[0.5, 0.5], [0.3, 0.6]], [[0, 1], [0, 1]]],
            r"environment\.mdp\.transition\[0, 1\] sums to 0\.9, not 1",
        ),
        (
            "transition",
            [[[1.5, -0.5], [0, 1]], [[0, 1], [0, 1]]],
            r"environment\.mdp\.transition\[0, 0\] has probability -0\.5",
        ),
        ("transition", [[0.5, 0.5], [0, 1]], r"environment\.mdp\.transition has shape \(2, 2\)"),
        ("reward", [[1.0, np.nan], [0, 0]], r"environment\.mdp\.reward\[0, 1\] is nan, not finite"),
        ("reward", [1.0, 2], r"environment\.mdp\.reward has shape \(2,\), expected \(2, 2\) or"),
        ("start", [0.5, 0], r"environment\.mdp\.start sums to 0\.5, not 1"),
        ("start", [0.0, 1], r"environment\.mdp\.start begins episodes in a terminal state"),
        ("terminal", [True], r"environment\.mdp\.terminal has shape \(1,\)"),
        ("features", [[1.0], [np.inf]], r"environment\.mdp\.features\[1, 0\] is inf, not finite"),
        ("features", [1.0, 2], r"environment\.mdp\.features has shape \(2,\)"),
    ],
)
def test_mistakes_are_one_line_that_names_the_entry(key, value, line):
    MDP(**good())
    with pytest.raises(ConfigError, match=line) as caught:
        MDP(**{**good(), key: value})
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("policy", [torch.ones(S, A), torch.ones(A, S).double()])
def test_probabilities_of_another_shape_or_dtype_are_refused(policy):
    with pytest.raises(ValueError, match="probabilities are"):
        state_value(random_mdp(0), policy, DISCOUNT)
