"""Running statistics per replica: against numpy over all rows ever seen, and by hand."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from pgx.build import build
from pgx.config import compose_config
from pgx.errors import ConfigError
from pgx.module import PolicyGradient
from pgx.normalization import EPSILON, Moments, Normalization
from pgx.rollout import Collector
from pgx.streams import Streams
from pgx.tracking.files import FileTracker
from pgx.types import EnvSpec
from tests.support.rollouts import D, N, R, T, lengthened, part, random_rollout

SPEC = EnvSpec("made-up", (D,), "discrete", 2)


def make(replicas: int = R, **options) -> Normalization:
    keys = {"discount": 0.9, "observations": True, "rewards": True, "clip": 10.0, **options}
    return Normalization(SPEC, replicas, N, **keys)


@pytest.mark.parametrize("complete", [False, True])
def test_the_moments_are_those_of_every_row_so_far(complete):
    moments, seen = Moments(R, D), [[] for _ in range(R)]
    for seed in range(4):
        rollout = random_rollout(seed, complete)
        shifted = rollout.observation.double() * 3.0 + 1e4 * torch.arange(R).view(-1, 1, 1)
        moments.add(shifted, rollout.mask, complete)
        for r in range(R):
            seen[r].append(shifted[:, r][rollout.mask[:, r]].numpy())
    for r in range(R):
        rows = np.concatenate(seen[r])
        assert moments.count[r] == len(rows)
        np.testing.assert_allclose(moments.mean[r], rows.mean(0), rtol=1e-12)
        np.testing.assert_allclose(moments.deviation[r] ** 2, rows.var(0) + EPSILON, rtol=1e-9)


def test_rows_that_do_not_exist_change_no_bit():
    rollout = random_rollout(3, complete=True, steps=64)
    longer = lengthened(rollout, 192)
    short, long = Moments(R, D), Moments(R, D)
    short.add(rollout.observation.double(), rollout.mask, True)
    long.add(longer.observation.double(), longer.mask, True)
    assert all(torch.equal(a, b) for a, b in zip(short.tensors(), long.tensors(), strict=True))


@pytest.mark.parametrize("complete", [False, True])
def test_a_replica_alone_has_the_same_statistics(complete):
    together, alone = make(), make(1)
    for seed in range(3):
        rollout = random_rollout(seed, complete)
        mine = part(rollout, slice(1, 2))
        found = [step(together, rollout), step(alone, mine)]
        assert torch.equal(found[0][:, 1:2], found[1])
    for a, b in zip(together.tensors(), alone.tensors(), strict=True):
        assert torch.equal(a[1:2], b)


def step(normalization, rollout):
    normalization.learn(rollout.observation, rollout.mask, rollout.complete)
    return normalization.scaled(rollout.reward, rollout.ended, rollout.mask, rollout.complete)


def test_the_view_standardises_clips_and_starts_as_identity():
    normalization = make(clip=2.0)
    shown = np.random.default_rng(0).standard_normal((R, N, D)).astype(np.float32) * 1.5
    np.testing.assert_array_equal(normalization.view()(shown), np.clip(shown, -2, 2))
    rollout = random_rollout(1)
    before = normalization.view()
    normalization.learn(rollout.observation, rollout.mask, False)
    np.testing.assert_array_equal(before(shown), np.clip(shown, -2, 2))  # as it was when made
    rows = rollout.observation[:, 1].reshape(-1, D).double()
    wanted = (shown[1] - rows.mean(0).numpy()) / rows.std(0, correction=0).numpy()
    np.testing.assert_allclose(normalization.view()(shown)[1], np.clip(wanted, -2, 2), rtol=1e-4)
    assert np.abs(wanted).max() > 2.0


@pytest.mark.parametrize("complete", [False, True])
def test_rewards_are_divided_by_the_spread_of_the_running_return(complete):
    normalization = make(observations=False, clip=1.5)
    running, seen = np.zeros((R, N)), [[] for _ in range(R)]
    for seed in range(3):
        rollout = random_rollout(seed, complete)
        found = step(normalization, rollout)
        running *= not complete
        for t in range(T):
            for r in range(R):
                for n in range(N):
                    running[r, n] = rollout.reward[t, r, n] + 0.9 * running[r, n]
                    if rollout.mask[t, r, n]:
                        seen[r].append(running[r, n])
                    running[r, n] *= not bool(rollout.ended[t, r, n])
        for r in range(R):
            wanted = rollout.reward[:, r] / np.sqrt(np.var(seen[r]) + EPSILON)
            np.testing.assert_allclose(found[:, r], np.clip(wanted, -1.5, 1.5), rtol=1e-5)
    assert found.abs().max() == 1.5


def test_a_frozen_replica_learns_nothing():
    normalization, rollout = make(), random_rollout(2)
    step(normalization, rollout)
    before = [tensor.clone() for tensor in normalization.tensors()]
    mask = rollout.mask.clone()
    mask[:, 1] = False
    step(normalization, replace(random_rollout(5), mask=mask))
    for old, new in zip(before, normalization.tensors(), strict=True):
        assert torch.equal(old[1], new[1])
        assert not torch.equal(old[0], new[0])


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"clip": 0.0}, "normalization.clip=0.0"),
        ({"observations": 1}, "normalization.observations=1"),
        ({"rewards": "yes"}, "normalization.rewards=yes"),
    ],
)
def test_a_mistake_names_the_key(options, said):
    with pytest.raises(ConfigError, match=said):
        make(**options)


def build_arm(folder: Path, *overrides: str) -> PolicyGradient:
    config = compose_config(["experiment=a2c", "estimator.horizon=7", *overrides])
    parts = build(config, (4, 9, 2))
    tracker = FileTracker(folder, (4, 9, 2), parts.env.slots)
    return PolicyGradient(parts, (4, 9, 2), 10**6, None, tracker)


def test_each_switch_changes_what_is_learnt_and_return_raw_stays_raw(tmp_path: Path):
    found = {}
    for name, switches in {
        "none": [],
        "observations": ["normalization.observations=true"],
        "rewards": ["normalization.rewards=true"],
    }.items():
        module = build_arm(tmp_path / name, *switches)
        seen = []
        record = module.tracker.record
        module.tracker.record = lambda *a, seen=seen, record=record: (seen.append(a), record(*a))
        for index in range(2):
            module.training_step(index, index)
        found[name] = module.policy.flat.detach().clone()
        rollout, raw = seen[-1][2], seen[-1][3]
        assert (raw == 1.0).all()
        assert ((rollout.reward != raw).any()) == (name == "rewards")
    assert not torch.equal(found["none"], found["observations"])
    assert not torch.equal(found["none"], found["rewards"])


def test_an_evaluation_sees_through_the_map_and_moves_nothing(tmp_path: Path):
    module = build_arm(tmp_path, "normalization.observations=true", "normalization.rewards=true")
    for index in range(3):
        module.training_step(index, index)
    before = [tensor.clone() for tensor in module.memory()]
    env = build(compose_config([]), (4, 9, 2)).env
    streams = Streams((40, 90, 20), env.slots)
    collect = Collector(
        module.policy, env, streams, None, module.normalization, learn=False, deterministic=True
    )
    rollout = collect(np.ones(3, dtype=bool))
    assert rollout.reward_raw is None
    assert (rollout.reward[rollout.mask] == 1.0).all()
    assert all(torch.equal(a, b) for a, b in zip(before, module.memory(), strict=True))
    first = rollout.observation[0].numpy()  # CartPole starts within ±.05: far less than it spreads
    assert np.abs(first).max() > 0.06
    outputs = module.policy(rollout.observation[:1].transpose(0, 1).flatten(1, 2))
    assert torch.equal(rollout.action[0], outputs.argmax(-1))
