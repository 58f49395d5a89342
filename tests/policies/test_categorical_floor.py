"""Softmax with a floor: what is drawn, what the gradient does there, and figure 13.1's start."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from pgx.environments.corridor import LEFT, RIGHT, Corridor
from pgx.errors import ConfigError
from pgx.policies.categorical_floor import CategoricalFloor, floored
from pgx.types import EnvSpec
from tests.support.arms import arm, trained

R, B, D, A = 3, 64, 4, 5
SEEDS = (4, 0, 9)
SPEC = EnvSpec("made-up", (D,), "discrete", A)


def by_hand(logits: torch.Tensor, least: float) -> torch.Tensor:
    """One distribution: raise the lowest, share the rest, until none is below."""
    pi = logits.double().softmax(0)
    low: set[int] = set()
    while True:
        low |= {a for a in range(len(pi)) if pi[a] < least}
        rest = sum(pi[a].item() for a in range(len(pi)) if a not in low)
        scale = (1 - least * len(low)) / rest
        pi = torch.tensor([least if a in low else pi[a].item() * scale for a in range(len(pi))])
        if not any(pi[a] < least - 1e-12 for a in range(len(pi)) if a not in low):
            return pi


@pytest.mark.parametrize("least", [0.0, 0.05, 0.15, 0.19])
def test_probabilities_are_raised_and_the_others_share(least):
    logits = 3 * torch.randn(40, A, generator=torch.Generator().manual_seed(1))
    found = floored(logits, least).exp()
    torch.testing.assert_close(found.sum(-1), torch.ones(40))
    assert (found >= least - 1e-6).all()
    wanted = torch.stack([by_hand(row, least) for row in logits]).float()
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-6)


def test_numbers_by_hand():
    logits = torch.tensor([[0.9, 0.06, 0.04]]).log()
    assert floored(logits, 0.05).exp()[0].tolist() == pytest.approx([0.890625, 0.059375, 0.05])
    assert floored(logits, 0.06).exp()[0].tolist() == pytest.approx([0.88, 0.06, 0.06])


def made(seeds=SEEDS, floor: float = 0.15) -> CategoricalFloor:
    policy = CategoricalFloor(SPEC, seeds, None, floor)
    with torch.no_grad():
        for row, seed in zip(policy.net.layers(policy.flat)[0][0], seeds, strict=True):
            row.copy_(torch.randn(D, A, generator=torch.Generator().manual_seed(seed)))
    return policy


def rows_of(seeds=SEEDS) -> torch.Tensor:
    return torch.stack(
        [torch.randn(B, D, generator=torch.Generator().manual_seed(seed + 50)) for seed in seeds]
    )


def test_outputs_are_log_probabilities_and_the_gradient_passes_the_floor():
    policy, rows = made(), rows_of()
    outputs = policy(rows)
    logits = rows @ policy.net.layers(policy.flat)[0][0]
    torch.testing.assert_close(outputs, floored(logits, 0.15))
    torch.testing.assert_close(policy.probabilities(outputs), outputs.exp())
    assert (outputs.exp().amin(-1) < 0.1501).any()  # the floor binds
    weight = torch.randn(R, B, generator=torch.Generator().manual_seed(2))
    action = torch.arange(B).expand(R, B) % A
    slope, _ = policy.score(outputs.detach(), action, weight, torch.zeros(R, B))
    (found,) = torch.autograd.grad(outputs, policy.flat, slope, retain_graph=True)
    one_hot = torch.nn.functional.one_hot(action, A)
    wanted = rows.transpose(1, 2) @ (weight[..., None] * (one_hot - outputs.exp()))
    torch.testing.assert_close(policy.net.layers(found)[0][0], wanted.detach())
    assert (found[:, ~policy.free] == 0).all() and policy.free.sum() == D * A
    log_pi = (weight * policy.log_prob(outputs, action)).sum()
    torch.testing.assert_close(torch.autograd.grad(log_pi, policy.flat)[0], found)


def test_draws_follow_the_floor():
    spec, slots = EnvSpec("made-up", (1,), "discrete", 3), 20_011
    policy = CategoricalFloor(spec, (0,), [4.0, 0.0, -4.0], 0.05)
    noise = np.random.default_rng(0).gumbel(size=(1, slots, 3)).astype(np.float32)
    action, outputs = policy.actor()(torch.ones(1, slots, 1), noise)
    share = np.bincount(action[0], minlength=3) / slots
    assert (
        abs(share - [0.9, 0.05, 0.05]) < 4 * np.sqrt([0.09, 0.0475, 0.0475] / np.array(slots))
    ).all()
    assert np.exp(outputs[0, 0]).tolist() == pytest.approx([0.9, 0.05, 0.05], rel=1e-5)


def test_on_the_corridor_it_is_two_parameters_that_start_at_the_floor():
    """θ = ±1.47 in favour of left: p = .0502, above the floor by a little."""
    env = Corridor(SEEDS, 2)
    policy = CategoricalFloor(env.spec, SEEDS, [1.47, -1.47], 0.05)
    assert policy.free.sum() == 2
    chance = policy.probabilities(policy(torch.ones(R, B, 1)))[0, 0]
    p = 1 / (1 + math.exp(2.94))
    assert chance[RIGHT].item() == pytest.approx(p, rel=1e-6) and 0.05 < p < 0.0503
    found = env.objective(policy, 1.0)
    exact = -2 * (2 - p) / (p * (1 - p))
    assert found.tolist() == pytest.approx([exact] * R, rel=1e-6)
    with torch.no_grad():
        policy.flat[:, policy.free] = torch.tensor([5.0, -5.0])
    found = env.objective(policy, 1.0)  # at the floor: the table's p = .05
    assert found.tolist() == pytest.approx([-82.105263] * R, abs=1e-6)
    slope = torch.autograd.grad(found.sum(), policy.flat)[0][:, policy.free]
    assert slope[0, RIGHT].item() == pytest.approx(75.894737, rel=1e-7)
    assert slope[0, LEFT].item() == pytest.approx(-75.894737, rel=1e-7)


def test_a_replica_alone_equals_itself_among_others():
    def answers(seeds) -> list:
        policy, rows = made(seeds), rows_of(seeds)
        noise = np.stack([np.random.default_rng(s).gumbel(size=(7, A)) for s in seeds])
        action, outputs = policy.actor()(rows[:, :7], noise.astype(np.float32))
        full = policy(rows)
        slope = torch.autograd.grad(full.square().sum(), policy.flat)[0]
        return [torch.as_tensor(part) for part in (action, outputs, full.detach(), slope)]

    among = answers(SEEDS)
    for r, seed in enumerate(SEEDS):
        for one, many in zip(answers((seed,)), among, strict=True):
            assert torch.equal(one[0], many[r])


@pytest.mark.parametrize(
    ("options", "line"),
    [
        ({"floor": 0.2}, r"policy\.floor=0.2: choose a number of at least 0 and below 0.2"),
        ({"floor": -0.1}, r"policy\.floor=-0.1"),
        ({"initial_logits": [1.0]}, "has 1 numbers, made-up has 5 actions"),
        ({"initial_logits": "abcde"}, "give a list of numbers, or null"),
        ({"initial_logits": [0, 0, 0, 0, "x"]}, r"policy\.initial_logits=x"),
    ],
)
def test_mistakes_are_one_line(options, line):
    with pytest.raises(ConfigError, match=line):
        CategoricalFloor(SPEC, (0,), **{"initial_logits": None, "floor": 0.05, **options})


def test_continuous_actions_are_refused():
    with pytest.raises(ConfigError, match="needs discrete actions"):
        CategoricalFloor(EnvSpec("box", (1,), "continuous", 1), (0,), None, 0.05)


def test_one_logit_climbs_at_the_pace_of_two_at_half_the_rate(tmp_path):
    """Only what is between the logits counts, and two that move do so twice as fast.

    One logit at 2⁻¹³ therefore ends on the corridor where two end at 2⁻¹⁴: at −15.1, outside the
    band of 2⁻¹³ (study 005 measures −15.04 ± .13).
    """
    words = (
        *("environment=corridor", "environment.slots=1", "policy=categorical_floor"),
        *("policy.initial_logits=[1.47,-1.47]", "estimator=reward_to_go", "estimator.discount=1"),
        *("baseline=none", "optimizer=sgd"),
    )
    rate = 2.0**-13
    one = arm(tmp_path / "one", (*words, f"optimizer.learning_rate={rate}"), [3, 1, 4])
    two = arm(tmp_path / "two", (*words, f"optimizer.learning_rate={rate / 2}"), [3, 1, 4])
    start, step = one.policy.flat.detach().clone(), one.learners[0].step
    moves = torch.ones_like(start)
    one.policy.net.layers(moves)[0][0][..., 0] = 0.0  # left stays where it is
    one.learners[0].step = lambda gradient, progress: step(gradient * moves, progress)
    for module in (one, two):
        trained(module, 40)
    assert one.decisions.tolist() == two.decisions.tolist()
    logits = [m.policy.net.layers(m.policy.flat.detach())[0][0][:, 0] for m in (one, two)]
    assert torch.equal(logits[0][:, 0], torch.full((3,), 1.47))
    apart = [pair[:, 1] - pair[:, 0] for pair in logits]
    assert (apart[0] > -2.9).all()  # it has moved
    torch.testing.assert_close(*apart, rtol=1e-4, atol=1e-4)
