"""N(W s, σ²): what its parameters are, and its gradient."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from pgx.errors import ConfigError
from pgx.policies.gaussian_linear import LEAST, GaussianLinear
from pgx.types import EnvSpec

R, B, D, A = 3, 64, 4, 2
SEEDS = (4, 0, 9)
SPEC = EnvSpec("box", (D,), "continuous", A)


def made(seeds=SEEDS) -> GaussianLinear:
    policy = GaussianLinear(SPEC, seeds, 0.0, 1.0)
    with torch.no_grad():
        for row, seed in zip(policy.flat, seeds, strict=True):
            drawn = torch.randn((D + 1) * A, generator=torch.Generator().manual_seed(seed))
            row[policy.free] = drawn
    return policy


def rows_of(seeds=SEEDS) -> torch.Tensor:
    return torch.stack(
        [torch.randn(B, D, generator=torch.Generator().manual_seed(seed + 50)) for seed in seeds]
    )


def test_it_starts_where_it_is_told():
    policy = GaussianLinear(SPEC, SEEDS, 0.5, 2.0)
    ((slope, deviation),) = policy.net.layers(policy.flat)
    assert (slope == 0.5).all() and slope.shape == (R, D, A)
    assert (deviation == 2.0).all() and policy.free.sum() == (D + 1) * A
    assert policy.free[: (D + 1) * A].all() and (policy.flat[:, ~policy.free] == 0).all()


def test_outputs_are_the_linear_mean_and_the_size_of_the_deviation():
    policy, rows = made(), rows_of()
    ((slope, deviation),) = policy.net.layers(policy.flat)
    mean, log_std = policy(rows).chunk(2, dim=-1)
    torch.testing.assert_close(mean, rows @ slope)
    torch.testing.assert_close(log_std.exp(), (deviation.abs() + LEAST).expand(R, B, A))
    assert (deviation < 0).any()


def test_the_score_is_that_of_the_density():
    """∂ log π/∂W = (a − μ) s / σ² and ∂ log π/∂θ₂ = ±((a − μ)²/σ² − 1)/σ."""
    policy, rows = made(), rows_of()
    action = torch.randn(R, B, A, generator=torch.Generator().manual_seed(1))
    weight = torch.randn(R, B, generator=torch.Generator().manual_seed(2))
    outputs = policy(rows)
    score, _ = policy.score(outputs.detach(), action, weight, torch.zeros(R, B))
    (found,) = torch.autograd.grad(outputs, policy.flat, score)
    ((slope, deviation),) = policy.net.layers(policy.flat.detach())
    std = deviation.abs() + LEAST
    miss = action - rows @ slope
    by_slope = rows.transpose(1, 2) @ (weight[..., None] * miss / std**2)
    by_std = (weight[..., None] * (miss**2 / std**2 - 1) / std * deviation.sign()).sum(1)
    ((one, other),) = policy.net.layers(found)
    torch.testing.assert_close(one, by_slope, rtol=1e-4, atol=1e-3)
    torch.testing.assert_close(other[:, 0], by_std, rtol=1e-4, atol=1e-3)
    assert (found[:, ~policy.free] == 0).all()


def test_without_a_deviation_it_still_has_a_density():
    policy = made()
    with torch.no_grad():
        policy.net.layers(policy.flat)[0][1].zero_()
    outputs = policy(rows_of())
    assert outputs.isfinite().all() and outputs[0, 0, A].item() == pytest.approx(math.log(1e-5))
    action, _ = policy.actor()(rows_of()[:, :5], np.zeros((R, 5, A), dtype=np.float32))
    torch.testing.assert_close(torch.from_numpy(action), outputs[:, :5, :A].detach())


def test_draws_have_mean_and_deviation():
    policy, slots = made(), 30_011
    noise = np.random.default_rng(0).standard_normal((R, slots, A)).astype(np.float32)
    shown = rows_of()[:, :1].expand(R, slots, D)
    action, outputs = policy.actor()(shown, noise)
    std = np.exp(outputs[:, 0, A:])
    assert (abs(action.mean(1) - outputs[:, 0, :A]) < 4 * std / slots**0.5).all()
    assert (abs(action.std(1) / std - 1) < 4 / (2 * slots) ** 0.5).all()


def test_a_replica_alone_equals_itself_among_others():
    def answers(seeds) -> list[torch.Tensor]:
        policy, rows = made(seeds), rows_of(seeds)
        noise = np.stack([np.random.default_rng(s).standard_normal((7, A)) for s in seeds])
        acted = policy.actor()(rows[:, :7], noise.astype(np.float32))
        full = policy(rows)
        slope = torch.autograd.grad(full.square().sum(), policy.flat)[0]
        return [*(torch.as_tensor(part) for part in acted), full.detach(), slope]

    among = answers(SEEDS)
    for r, seed in enumerate(SEEDS):
        for one, many in zip(answers((seed,)), among, strict=True):
            assert torch.equal(one[0], many[r])


@pytest.mark.parametrize(("key", "value"), [("initial_std", 0.0), ("initial_slope", "x")])
def test_mistakes_name_the_key(key, value):
    good = {"initial_slope": 0.0, "initial_std": 1.0}
    with pytest.raises(ConfigError, match=rf"policy\.{key}="):
        GaussianLinear(SPEC, (0,), **{**good, key: value})
