"""The critic on the policy's trunk: its gradient, its targets, and one step for both."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest
import torch

from pgx.baselines.shared_value import SharedValue
from pgx.baselines.value import Value
from pgx.build import build
from pgx.config import compose_config
from pgx.errors import ConfigError
from pgx.estimators.gae import GAE
from pgx.module import PolicyGradient
from pgx.policies.categorical_mlp import CategoricalMLP
from pgx.policies.categorical_shared import CategoricalShared
from pgx.tracking.files import FileTracker
from pgx.types import Rollout
from tests.conftest import Train
from tests.support.oracle import PLAIN
from tests.support.rollouts import SEEDS, N, R, T, part, random_rollout, spec
from tests.support.twins import gradient_of, mlp, slow_gae, slow_score

DEFAULTS = {
    "discount": 0.9,
    "time_limit": "bootstrap",
    "target_trace_decay": 0.8,
    "target": "current",
    "coefficient": 0.5,
}
KINDS = {"steps": False, "complete": True}
SHARED = ("policy=categorical_shared", "baseline=shared_value")


def trunk(seeds=SEEDS, hidden=(6, 9), gain: float = 0.7) -> CategoricalShared:
    return CategoricalShared(spec(), seeds, list(hidden), "tanh", gain)


def make(policy: CategoricalShared, **options) -> SharedValue:
    model = SharedValue(spec(), SEEDS[: policy.replicas], **{**DEFAULTS, **options})
    model.attach(policy)
    return model


def values(policy: CategoricalShared, flat: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    """V of ``[T, R, N, D]`` row by row: the first output of the whole network."""
    return torch.stack([mlp(policy.net.whole, flat, row.double())[..., 0] for row in rows])


def target(policy: CategoricalShared, flat: torch.Tensor, rollout: Rollout) -> torch.Tensor:
    value, after = (
        values(policy, flat, x) for x in (rollout.observation, rollout.next_observation)
    )
    over = (rollout.reward, value, after, rollout.terminated, rollout.truncated)
    return slow_gae(*over, 0.9, 0.8) + value


def loss_of(policy: CategoricalShared, rollout: Rollout, flat: torch.Tensor, goal: torch.Tensor):
    """½ scale Σ (V − y)² per replica."""
    count = N if rollout.complete else T * N
    error = (values(policy, flat, rollout.observation) - goal) * rollout.mask
    return 0.5 / count * (error * error).sum((0, 2))


@pytest.mark.parametrize("complete", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("kind", ["current", "frozen"])
def test_loss_and_gradient_are_those_of_the_equation(complete, kind):
    """The gradient runs through V_θ alone, in every parameter of the policy that V depends on."""
    policy, rollout = trunk(), random_rollout(1, complete)
    model = make(policy, target=kind)
    model(rollout)  # what a frozen target is made by from now on
    before = policy.flat.detach().double()
    with torch.no_grad():
        for weight, bias in policy.net.layers(policy.flat):
            weight.mul_(1.3)
            bias.add_(0.2)
    after = policy.flat.detach().double()
    goal = target(policy, after if kind == "current" else before, rollout)
    found, wanted = model(rollout), loss_of(policy, rollout, after, goal)
    torch.testing.assert_close(found.loss.double(), wanted, rtol=1e-4, atol=1e-5)
    exact = gradient_of(policy.net, lambda flat: loss_of(policy, rollout, flat, goal).sum())
    torch.testing.assert_close(found.gradient.double(), exact, rtol=1e-4, atol=1e-5)
    layers = policy.net.layers(found.gradient)
    assert layers[0][0].abs().sum() > 0 and (layers[-1][0][..., 1:] == 0).all()
    old = loss_of(policy, rollout, after, target(policy, before, rollout))
    assert torch.allclose(old, wanted, rtol=1e-3) == (kind == "frozen")


def test_its_numbers_are_a_critics_of_that_network():
    """With V's own copy of the network, `Value` gives the same values and the same loss."""
    policy, rollout = trunk(), random_rollout(2)
    twin = Value(spec(), SEEDS, hidden=[6, 9], activation="tanh", learning_rate=0.1, **DEFAULTS)
    with torch.no_grad():
        pairs = zip(twin.net.layers(twin.flat), policy.net.layers(policy.flat), strict=True)
        for mine, theirs in pairs:
            for one, other in zip(mine, theirs, strict=True):
                one.copy_(other[..., : one.shape[-1]])
    found, wanted = make(policy)(rollout), twin(rollout)
    for name in ("value", "next_value", "loss"):
        torch.testing.assert_close(getattr(found, name), getattr(wanted, name))


@pytest.mark.parametrize("limit", [None, 0.05])
def test_one_step_moves_along_the_sum_of_both_gradients(tmp_path: Path, limit):
    """SGD at rate 1 moves θ by g − ∇L, and clipping sees that sum."""
    config = compose_config(
        [*SHARED, "optimizer=sgd", "optimizer.learning_rate=1.0", "estimator.horizon=7"]
    )
    parts = build(config, SEEDS)
    tracker = FileTracker(tmp_path, SEEDS, parts.env.slots)
    module = PolicyGradient(parts, SEEDS, 10**6, limit, tracker)
    assert len(module.learners) == 1
    rollout = random_rollout(3)
    baseline = module.baseline(rollout)
    weight = module.estimator.advantage(rollout, baseline)
    estimate = module.estimator(module.policy, rollout, baseline)
    before = module.policy.flat.detach().clone()
    norm = module.update(estimate, baseline)
    wanted = estimate.gradient - baseline.gradient
    torch.testing.assert_close(norm, wanted.norm(dim=1))
    assert (norm > 0.05).all() and baseline.gradient.abs().sum() > 0
    if limit is not None:
        wanted = wanted * (limit / (norm + 1e-6)).unsqueeze(1)
    torch.testing.assert_close(module.policy.flat.detach() - before, wanted, rtol=1e-3, atol=1e-6)
    assert weight.shape == (T, R, N)


def test_the_policys_gradient_is_that_of_its_own_outputs():
    policy, rollout = trunk(hidden=(6,)), random_rollout(4)
    estimator = GAE(
        **{**PLAIN, "time_limit": "bootstrap"},
        discount_weighting=False,
        horizon=T,
        trace_decay=0.8,
    )
    baseline = make(policy)(rollout)
    found = estimator(policy, rollout, baseline).gradient
    plain = CategoricalMLP(spec(), SEEDS, [6], "tanh", 0.7)
    with torch.no_grad():
        for mine, theirs in zip(
            plain.net.layers(plain.flat), policy.net.layers(policy.flat), strict=True
        ):
            for one, other in zip(mine, theirs, strict=True):
                one.copy_(other[..., -one.shape[-1] :])
    exact = slow_score(plain.net, rollout, estimator.advantage(rollout, baseline))
    for mine, theirs in zip(policy.net.layers(found), plain.net.layers(exact), strict=True):
        for one, other in zip(mine, theirs, strict=True):
            wanted = other.float()
            torch.testing.assert_close(one[..., -wanted.shape[-1] :], wanted, rtol=1e-3, atol=1e-5)
    assert (policy.net.layers(found)[-1][0][..., 0] == 0).all()


@pytest.mark.parametrize("options", [{"coefficient": 0.25}, {"target_trace_decay": 0.1}], ids=str)
def test_every_option_changes_the_result(options):
    policy, rollout = trunk(), random_rollout(5)
    found = [make(policy, **o)(rollout).gradient for o in ({}, options)]
    assert not torch.allclose(*found, rtol=1e-2)


@pytest.mark.parametrize("complete", KINDS.values(), ids=KINDS)
def test_a_replica_alone_equals_itself_among_others(complete):
    rollout = random_rollout(6, complete, steps=130, slots=8)
    among = make(trunk(hidden=(64, 64)))(rollout)
    for r, seed in enumerate(SEEDS):
        policy = trunk([seed], hidden=(64, 64))
        model = SharedValue(spec(), [seed], **DEFAULTS)
        model.attach(policy)
        alone = model(part(rollout, slice(r, r + 1)))
        assert torch.equal(alone.gradient[0], among.gradient[r])
        assert torch.equal(alone.next_value[:, 0], among.next_value[:, r])


def test_a_policy_without_a_value_output_is_refused():
    model = SharedValue(spec(), SEEDS, **DEFAULTS)
    with pytest.raises(ConfigError, match="policy=categorical_shared"):
        model.attach(CategoricalMLP(spec(), SEEDS, [6], "tanh", 0.7))


@pytest.mark.parametrize("kind", ["current", "frozen"])
def test_a_seed_alone_is_the_seed_among_others_and_resumes(train: Train, tmp_path: Path, kind):
    words = (*SHARED, f"baseline.target={kind}", "estimator.horizon=16", "threads=1", "arm=x")
    train(*words, "decisions=4000", "seeds=3", "output=among")
    train(*words, "decisions=4000", "seeds=[1]", "output=alone")
    rows = {
        name: pl.read_parquet(next((tmp_path / name).rglob("metrics.parquet")))
        .filter(pl.col("seed") == 1)
        .drop("wall_s")
        for name in ("among", "alone")
    }
    assert rows["alone"].height == 32 and rows["alone"].equals(rows["among"])


def test_it_learns_cartpole(train: Train, tmp_path: Path):
    train(
        "experiment=a2c",
        *SHARED,
        "baseline.target_trace_decay=0.95",
        "baseline.coefficient=0.02",
        "decisions=120000",
        "seeds=3",
        "threads=1",
    )
    rows = pl.read_parquet(next(tmp_path.rglob("episodes.parquet")))
    last = rows.filter(pl.col("decisions") > 90_000).group_by("seed").agg(pl.mean("return_raw"))
    assert last["return_raw"].min() > 150, last


def test_a_diverging_replica_is_put_back_and_touches_no_other(tmp_path: Path):
    """Parameters and the remembered ones of a frozen target: as they were when last good."""

    def trained(directory: str, spoiled: bool) -> PolicyGradient:
        words = (*SHARED, "baseline.target=frozen", "estimator.horizon=7")
        parts = build(compose_config(list(words)), SEEDS)
        tracker = FileTracker(tmp_path / directory, SEEDS, parts.env.slots)
        module = PolicyGradient(parts, SEEDS, 10**6, 0.5, tracker)
        for index in range(5):
            if spoiled and index == 3:
                before = module.policy.flat[1].clone(), module.baseline.previous[1].clone()
                weight = module.policy.net.layers(module.policy.flat.data)[-1][0]
                weight[1, 0, 0] = torch.nan  # of the value alone
            module.training_step(index, index)
        if spoiled:
            assert module.diverged == {SEEDS[1]: 3}
            assert torch.equal(module.policy.flat[1], before[0])
            assert torch.equal(module.baseline.previous[1], before[1])
        return module

    clean, broken = trained("clean", False), trained("broken", True)
    assert torch.equal(clean.policy.flat[[0, 2]], broken.policy.flat[[0, 2]])
    assert torch.equal(clean.baseline.previous[[0, 2]], broken.baseline.previous[[0, 2]])
