"""A population acts as its members would, and meets the same episodes if it is to."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from pgx.build import build
from pgx.config import compose_config
from pgx.environments.cartpole import CartPole
from pgx.environments.mdp import MDP
from pgx.environments.tabular import Tabular
from pgx.population import Common, Population
from pgx.rollout import Collector
from pgx.streams import Streams

SEEDS, M, N = (5, 3, 8), 4, 2
R = len(SEEDS)


def members_of(words: list[str]) -> tuple[Population, torch.Tensor]:
    """A population of M policies for every seed, and its parameters ``[R, M, P]``."""
    config = compose_config(words)
    parts = build(config, SEEDS)
    crowd = build(config, [0] * (R * M)).policy
    population = Population(crowd, R, common_noise=False)
    drawn = torch.randn(R, M, crowd.flat.shape[1], generator=torch.Generator().manual_seed(1))
    points = 0.3 * drawn * parts.policy.free
    population.ask = lambda: points
    parts.env.close()
    return population, points


@pytest.mark.parametrize("policy", ["categorical_linear", "categorical_mlp"])
def test_a_member_acts_as_it_would_alone(policy: str) -> None:
    """Member 1 of replica 2 in its slots, against its parameters in a policy of one replica."""
    words = [f"policy={policy}", "estimator=reinforce", "baseline=none"]
    population, points = members_of(words)
    env = CartPole(SEEDS, M * N)
    rollout = Collector(population, env, Streams(SEEDS, M * N), None)(np.ones(R, dtype=bool))
    alone = build(compose_config(words), [8]).policy
    alone.flat.data.copy_(points[2, 1:2])
    slots = slice(N, 2 * N)
    steps = rollout.mask[:, 2, slots].sum(0)
    assert steps.min() > 5
    with torch.no_grad():
        rows = rollout.observation[:, 2:3, slots].transpose(0, 1).flatten(1, 2)
        outputs = alone(rows)
        log_prob = alone.log_prob(outputs, rollout.action[:, 2, slots].flatten()[None])
    kept = rollout.mask[:, 2, slots].flatten()
    mine = rollout.log_prob[:, 2, slots].flatten()
    torch.testing.assert_close(mine[kept], log_prob[0][kept])


def noisy_chain() -> MDP:
    """Three states, one step to either side by chance, ended on the right; two actions alike."""
    row = torch.tensor(
        [[0.3, 0.7, 0.0, 0.0], [0.2, 0.2, 0.6, 0.0], [0.0, 0.4, 0.0, 0.6], [0.0, 0.0, 0.0, 1.0]],
        dtype=torch.float64,
    )
    return MDP(
        transition=row.unsqueeze(1).expand(4, 2, 4).clone(),
        reward=torch.zeros(4, 2, dtype=torch.float64),
        start=torch.tensor([1.0, 0, 0, 0], dtype=torch.float64),
        terminal=torch.tensor([False, False, False, True]),
        features=torch.eye(4, dtype=torch.float64),
    )


def several(make) -> Common:
    return Common(make([seed for seed in SEEDS for _ in range(M)], N), M)


@pytest.mark.parametrize(
    "make", [CartPole, lambda seeds, slots: Tabular(seeds, slots, noisy_chain(), 50)]
)
def test_members_that_act_alike_live_the_same_life(make) -> None:
    env, generator = several(make), np.random.default_rng(0)
    assert env.observation.shape[:2] == (R, M * N)
    lengths = []
    for iteration in range(3):
        env.reset()
        active = np.ones((R, M * N), dtype=bool)
        if iteration == 1:  # one member of replica 0 stops early: its counters fall behind
            active[0, :N] = False
        length = np.zeros((R, M * N), dtype=np.int64)
        begun = active.copy()
        while active.any():
            action = np.tile(generator.integers(0, 2, (R, 1, N)), (1, M, 1)).reshape(R, M * N)
            step = env.step(action, active)
            length += active
            active = active & ~(step.terminated | step.truncated)
        apart = length.reshape(R, M, N)
        alike = begun.reshape(R, M, N)
        for m in range(1, M):
            same = alike[:, 0] & alike[:, m]
            assert (apart[:, m] == apart[:, 0])[same].all()
        lengths.append(apart[:, 1])
    assert len(np.unique(np.stack(lengths))) > 4


def test_a_frozen_replicas_counters_stay() -> None:
    env = several(lambda seeds, slots: Tabular(seeds, slots, noisy_chain(), 50))
    env.reset()
    active = np.ones((R, M * N), dtype=bool)
    active[:, 0] = False
    env.step(np.zeros((R, M * N), dtype=np.int64), active)
    before = env.state_dict()["decision"]
    assert before.reshape(R, M, N)[:, 0, 0].tolist() == [0, 0, 0]
    mask = np.ones((R, M * N), dtype=bool)
    mask[1] = False
    env.reset(mask)
    after = env.state_dict()["decision"]
    assert torch.equal(after[1], before[1])
    assert (after[[0, 2]] == 1).all()


def test_a_state_continues_in_the_shape_of_the_replicas() -> None:
    one, other = several(CartPole), several(CartPole)
    one.reset()
    for _ in range(5):
        one.step(np.ones((R, M * N), dtype=np.int64))
    state = one.state_dict()
    assert all(value.shape[:2] == (R, M * N) for value in state.values())
    other.reset()
    other.load_state_dict(state)
    action = np.zeros((R, M * N), dtype=np.int64)
    assert np.array_equal(one.step(action).next_observation, other.step(action).next_observation)
    assert np.array_equal(one.episode, other.episode)


@pytest.mark.parametrize("common", [True, False])
def test_common_noise_is_the_same_for_every_member_and_never_used_twice(common: bool) -> None:
    population, _ = members_of(
        ["policy=categorical_linear", "baseline=none", "estimator=reinforce"]
    )
    population.common_noise = common
    streams = Streams(SEEDS, M * N)
    start = np.zeros((R, M * N), dtype=np.int64)
    first = population.noise(streams.noise, start, 6).reshape(R, 6, M, N, 2)
    assert bool((first[:, :, 0] == first[:, :, 1]).all()) is common
    assert not (first[:, :, :, 0] == first[:, :, :, 1]).any()
    start[:, N] = 5  # the second member's first slot has used five draws
    later = population.noise(streams.noise, start, 6).reshape(R, 6, M, N, 2)
    assert (later[:, 0, 1, 0] == first[:, 5, 1, 0]).all()
    assert bool((later[:, 0, 0, 0] == first[:, 5, 0, 0]).all()) is common
