"""What the collector gathers: the right rows, of the right episodes, by the right policy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields

import numpy as np
import pytest
import torch

from pgx.axes import BLOCK
from pgx.baselines.value import Value
from pgx.environments.base import Environment
from pgx.environments.cartpole import CartPole
from pgx.environments.corridor import Corridor
from pgx.policies.categorical_linear import CategoricalLinear
from pgx.policies.categorical_mlp import CategoricalMLP
from pgx.rollout import Collector
from pgx.streams import Streams
from pgx.types import EnvSpec, Rollout, Transition
from tests.support.oracle import gae, reinforce, reward_to_go

SEEDS, R, N, T = (3, 0, 8), 3, 5, 7
EVERYONE = np.ones(R, dtype=bool)


class Scripted(Environment):
    """Episodes whose observations say where they are: seed, slot, episode and decision.

    What inactive slots return is junk, and a step beyond an episode's end is an error.
    """

    def __init__(self, seeds: Sequence[int], slots: int, longest: int = 4) -> None:
        super().__init__(seeds, slots)
        self.spec = EnvSpec("scripted", (4,), "discrete", 2)
        self.longest = longest
        self.observation = np.zeros((self.replicas, slots, 4), dtype=np.float32)
        self.observation[..., 0] = np.array(self.seeds)[:, None]
        self.observation[..., 1] = np.arange(slots)
        self.steps = np.zeros((self.replicas, slots), dtype=np.int64)
        self.over = np.ones((self.replicas, slots), dtype=bool)

    def length(self, seed, slot, episode):
        return 1 + (3 * slot + 2 * episode + seed) % self.longest

    def reset(self, mask: np.ndarray | None = None) -> None:
        mask = np.ones_like(self.over) if mask is None else mask
        assert self.over[mask].all(), "a reset in the middle of an episode"
        self.episode[mask] += 1
        self.over[mask] = False
        self.observation[mask, 2] = self.episode[mask] - 1
        self.observation[mask, 3] = 0

    def step(self, action: np.ndarray, active: np.ndarray | None = None) -> Transition:
        active = np.ones_like(self.over) if active is None else active
        assert not self.over[active].any(), "a step beyond the end of an episode"
        self.steps += active
        self.observation[active, 3] += 1
        seed, slot, episode, step = np.moveaxis(self.observation.astype(np.int64), -1, 0)
        ended = step == self.length(seed, slot, episode)
        self.over |= ended & active
        reward = np.where(active, step + 10 * action, np.nan).astype(np.float32)
        truncated = ended & (episode % 2 == 1) | ~active
        terminated = ended & (episode % 2 == 0) | ~active
        return Transition(reward, terminated, truncated, self.observation)

    def state_dict(self) -> dict:
        return {}

    def load_state_dict(self, state: dict) -> None:
        assert state == {}


class Broken(Scripted):
    """What it shows at every termination is not a number."""

    def __init__(self, seeds: Sequence[int], slots: int) -> None:
        super().__init__(seeds, slots)
        self._finite = self.observation.copy()

    def step(self, action: np.ndarray, active: np.ndarray | None = None) -> Transition:
        self.observation[self.over] = self._finite[self.over]
        step = super().step(action, active)
        self._finite = self.observation.copy()
        self.observation[self.over & (self.episode % 2 == 1)] = np.nan
        return step

    def reset(self, mask: np.ndarray | None = None) -> None:
        self.observation[self.over] = self._finite[self.over]
        super().reset(mask)


def collector(
    env: Environment, horizon: int | None = None, hidden: Sequence[int] | None = None
) -> Collector:
    policy = CategoricalLinear(env.spec, env.seeds, None)
    if hidden is not None:
        policy = CategoricalMLP(env.spec, env.seeds, hidden, "tanh", 1.0)
    return Collector(policy, env, Streams(env.seeds, env.slots), horizon)


def copied(rollout: Rollout) -> dict[str, torch.Tensor]:
    found = {field.name: getattr(rollout, field.name) for field in fields(rollout)}
    return {k: v.clone() for k, v in found.items() if isinstance(v, torch.Tensor)}


def joined(rollouts: list[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    return {name: torch.cat([r[name] for r in rollouts]) for name in rollouts[0]}


def shapes_hold(rollout: Rollout, slots: int = N) -> None:
    steps, replicas = rollout.mask.shape[:2]
    for name in ("reward", "log_prob"):
        assert getattr(rollout, name).dtype == torch.float32
    for name in ("terminated", "truncated", "mask"):
        assert getattr(rollout, name).dtype == torch.bool
    for name in ("action", "time"):
        assert getattr(rollout, name).dtype == torch.int64
    for name, tensor in copied(rollout).items():
        wide = name in ("observation", "next_observation")
        assert tensor.shape == (steps, replicas, slots, *([4] if wide else []))
        assert not tensor.requires_grad


@pytest.mark.parametrize("seeds", [SEEDS, SEEDS[:1]])
def test_steps_are_consecutive_and_cross_episode_ends(seeds):
    env = Scripted(seeds, N)
    collect = collector(env, T)
    alive = np.ones(len(seeds), dtype=bool)
    rollouts = []
    for _ in range(3):
        rollout = collect(alive)
        shapes_hold(rollout)
        assert not rollout.complete and rollout.mask.all()
        rollouts.append(copied(rollout))
    rows = joined(rollouts)
    for r, seed in enumerate(seeds):
        for n in range(N):
            episode, step = 0, 0
            for t in range(3 * T):
                at = (t, r, n)
                length = env.length(seed, n, episode)
                assert rows["observation"][at].tolist() == [seed, n, episode, step]
                assert rows["time"][at] == step
                step += 1
                assert rows["next_observation"][at].tolist() == [seed, n, episode, step]
                assert rows["reward"][at] == step + 10 * rows["action"][at]
                ended, odd = step == length, episode % 2 == 1
                assert bool(rows["terminated"][at]) == (ended and not odd)
                assert bool(rows["truncated"][at]) == (ended and odd)
                if ended:
                    episode, step = episode + 1, 0
    ended = (rows["terminated"] | rows["truncated"])[:-1].unsqueeze(-1)
    same = (rows["next_observation"][:-1] == rows["observation"][1:]).all(-1, keepdim=True)
    assert torch.equal(same, ~ended)
    assert (env.steps == 3 * T).all() and (collect.streams.decisions == 3 * T).all()


@pytest.mark.parametrize("seeds", [SEEDS, SEEDS[:1]])
@pytest.mark.parametrize("longest", [4, BLOCK, 3 * BLOCK + 1])
def test_one_whole_episode_per_slot_begun_at_the_start(seeds, longest):
    env = Scripted(seeds, N, longest)
    collect = collector(env)
    alive = np.ones(len(seeds), dtype=bool)
    total = np.zeros((len(seeds), N), dtype=np.int64)
    for iteration in range(3):
        rollout = collect(alive)
        shapes_hold(rollout)
        assert rollout.complete and len(rollout.mask) % BLOCK == 0
        place = np.indices((len(seeds), N))[1]
        length = env.length(np.array(seeds)[:, None], place, iteration)
        assert len(np.unique(length)) > 1
        mask = np.arange(len(rollout.mask))[:, None, None] < length
        assert np.array_equal(rollout.mask.numpy(), mask)
        last = np.arange(len(rollout.mask))[:, None, None] == length - 1
        ended = rollout.truncated if iteration % 2 else rollout.terminated
        other = rollout.terminated if iteration % 2 else rollout.truncated
        assert np.array_equal(ended.numpy(), last) and not other.any()
        for r, n in np.ndindex(len(seeds), N):
            rows = rollout.observation[: length[r, n], r, n]
            wanted = [[seeds[r], n, iteration, t] for t in range(length[r, n])]
            assert rows.tolist() == wanted
            after = rollout.next_observation[: length[r, n], r, n]
            assert (after - rows).tolist() == [[0, 0, 0, 1]] * length[r, n]
        time = torch.arange(len(rollout.mask))[:, None, None].expand_as(rollout.time)
        assert torch.equal(rollout.time, time)
        gained = rollout.time + 1 + 10 * rollout.action
        assert torch.equal(rollout.reward, torch.where(rollout.mask, gained, 0).float())
        total += length
        assert np.array_equal(env.steps, total) and (env.episode == iteration + 1).all()
        assert np.array_equal(collect.streams.decisions, total)


@pytest.mark.parametrize("horizon", [None, T])
def test_a_frozen_replica_neither_steps_nor_draws_nor_resets(horizon):
    env = Scripted(SEEDS, N)
    collect = collector(env, horizon)
    collect(EVERYONE)
    before = [env.steps[1], env.episode[1], env.observation[1], collect.streams.decisions[1]]
    before = [x.copy() for x in before]
    saved = collect.state_dict()
    alive = np.array([True, False, True])
    for _ in range(2):
        rollout = collect(alive)
        assert not rollout.mask[:, 1].any() and rollout.mask[:, 0].any()
    after = [env.steps[1], env.episode[1], env.observation[1], collect.streams.decisions[1]]
    for one, other in zip(before, after, strict=True):
        assert np.array_equal(one, other)
    assert torch.equal(saved["age"][1], collect.state_dict()["age"][1])
    assert (env.steps[0] > before[0]).all()


@pytest.mark.parametrize("horizon", [None, T])
def test_others_do_not_notice_a_frozen_replica(horizon):
    seen = []
    for alive in (EVERYONE, np.array([True, False, True])):
        collect = collector(CartPole(SEEDS, N, 60), horizon, [16])
        collect(EVERYONE)
        seen.append([copied(collect(alive)) for _ in range(2)])
    for one, other in zip(*seen, strict=True):
        for r in (0, 2):
            for name, tensor in one.items():
                kept = tensor[:, r][one["mask"][:, r]]
                assert torch.equal(kept, other[name][:, r][other["mask"][:, r]])


def test_nobody_alive_is_an_empty_rollout():
    rollout = collector(Scripted(SEEDS, N))(np.zeros(R, dtype=bool))
    assert not rollout.mask.any() and (rollout.reward == 0).all()


@pytest.mark.parametrize("horizon", [None, T])
def test_log_prob_is_the_behaviour_policys(horizon):
    env = CartPole(SEEDS, N)
    collect = collector(env, horizon, [16])
    for _ in range(2):
        rollout = collect(EVERYONE)
        with torch.no_grad():
            logits = torch.stack([collect.policy.net.frozen()(x) for x in rollout.observation])
        wanted = torch.log_softmax(logits.double(), -1)
        wanted = wanted.gather(-1, rollout.action.unsqueeze(-1)).squeeze(-1)
        kept = rollout.mask
        torch.testing.assert_close(
            rollout.log_prob.double()[kept], wanted[kept], rtol=1e-5, atol=1e-5
        )
        with torch.no_grad():
            collect.policy.flat.mul_(1.5)


def test_actions_come_from_the_noise_of_the_slots_own_decisions():
    env = Scripted(SEEDS, N)
    collect = collector(env)
    with torch.no_grad():
        weight, _ = collect.policy.net.layers(collect.policy.flat)[0]
        weight.copy_(torch.randn(R, 4, 2, generator=torch.Generator().manual_seed(0)))
    for _ in range(3):
        start = collect.streams.decisions.copy()
        rollout = collect(EVERYONE)
        noise = collect.policy.noise(collect.streams.noise, start, len(rollout.mask))
        with torch.no_grad():
            logits = torch.stack([collect.policy.net.frozen()(x) for x in rollout.observation])
        wanted = (logits + torch.from_numpy(noise).transpose(0, 1)).argmax(-1)
        kept = rollout.mask
        assert torch.equal(rollout.action[kept], wanted[kept])


def test_what_an_earlier_longer_rollout_left_is_gone():
    """An episode of 200 decisions, then one of one."""
    env = Scripted([0], 2, 200)
    env.length = lambda seed, slot, episode: np.where(episode == 0, 200, 1)
    collect = collector(env)
    first = collect(np.array([True]))
    assert len(first.mask) == 4 * BLOCK and first.mask.sum() == 400
    second = collect(np.array([True]))
    assert len(second.mask) == BLOCK and second.mask.sum() == 2
    for name in ("reward", "observation", "next_observation", "action"):
        assert (getattr(second, name)[1:] == 0).all()
    assert not second.ended[1:].any()


def test_a_random_policys_episodes_on_cartpole_are_22_4_decisions_long():
    """Not 16.8, which is what the first to finish would give."""
    seeds = range(16)
    collect = collector(CartPole(seeds, 128))
    rollouts = [collect(np.ones(16, dtype=bool)).mask.sum(0) for _ in range(5)]
    lengths = torch.stack(rollouts).double().flatten()
    error = lengths.std() / len(lengths) ** 0.5
    assert 4 * error < 0.6 and abs(lengths.mean() - 22.4) < 4 * error


def test_each_slots_return_is_the_rollouts():
    """On the corridor a return is minus the length, and the mean is v(0) = −12 at p = .5."""
    seeds = range(16)
    collect = collector(Corridor(seeds, 64))
    found = []
    for _ in range(4):
        rollout = collect(np.ones(16, dtype=bool))
        assert torch.equal(rollout.reward.sum(0), -rollout.mask.sum(0).float())
        found.append(rollout.reward.sum(0).flatten().double())
    returns = torch.cat(found)
    error = returns.std() / len(returns) ** 0.5
    assert abs(returns.mean() + 12) < 4 * error < 0.8


@pytest.mark.parametrize(
    ("make", "horizon"),
    [
        (reinforce, None),
        (reward_to_go, None),
        (gae, None),
        (gae, T),
    ],
)
def test_a_terminal_observation_of_nan_reaches_no_gradient(make, horizon):
    """A simulator that blew up ends its episode with it; nobody decides there."""
    env = Broken(SEEDS, N)
    collect = collector(env, horizon, [16])
    rollout = collect(EVERYONE)
    assert rollout.next_observation[rollout.terminated].isnan().all()
    assert rollout.observation[rollout.mask].isfinite().all()
    critic = Value(
        env.spec,
        SEEDS,
        hidden=[8],
        activation="tanh",
        discount=0.9,
        time_limit="bootstrap",
        target_trace_decay=0.8,
        target="current",
        coefficient=1.0,
        learning_rate=0.1,
    )
    baseline = critic(rollout)
    estimate = make(discount=0.9, entropy_coefficient=0.1)(collect.policy, rollout, baseline)
    for tensor in (baseline.gradient, baseline.loss, estimate.gradient):
        assert tensor.isfinite().all()
    assert estimate.diagnostics["entropy"].isfinite().all()


ENVIRONMENTS = {
    "cartpole": lambda seeds: CartPole(seeds, N, 90),
    "corridor": lambda seeds: Corridor(seeds, N),
}


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("horizon", [None, 32])
@pytest.mark.parametrize("make", ENVIRONMENTS.values(), ids=ENVIRONMENTS)
def test_a_replica_alone_equals_itself_among_others(make, horizon, threads):
    seeds, before = (5, 0, 2**40, 9), torch.get_num_threads()
    try:
        torch.set_num_threads(threads)
        together = collector(make(seeds), horizon, [64, 64])
        among = [copied(together(np.ones(4, dtype=bool))) for _ in range(3)]
        torch.set_num_threads(1)
        for r, seed in enumerate(seeds):
            single = collector(make([seed]), horizon, [64, 64])
            for rollout in among:
                alone = copied(single(np.array([True])))
                rows = len(alone["mask"])
                assert not rollout["mask"][rows:, r].any()
                for name, tensor in alone.items():
                    kept = alone["mask"][:, 0]
                    assert torch.equal(tensor[:, 0][kept], rollout[name][:rows, r][kept])
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("horizon", [None, T])
def test_a_saved_collector_continues_with_the_same_rollout(horizon):
    one, other = (collector(CartPole(SEEDS, N), horizon, [16]) for _ in range(2))
    for _ in range(2):
        one(EVERYONE)
    state, place = one.state_dict(), one.env.state_dict()
    other.load_state_dict(state)
    other.env.load_state_dict(place)
    assert not state["age"].any() if horizon is None else state["age"].any()
    for _ in range(2):
        first, second = copied(one(EVERYONE)), copied(other(EVERYONE))
        for name, tensor in first.items():
            assert torch.equal(tensor, second[name])
