"""What every likelihood-ratio estimator shares, each tested against a slow twin and autograd."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from pgx.axes import replica_rows, time_rows
from pgx.errors import ConfigError
from pgx.estimators.score import masked_mean, row_scale, score_gradient, standardise
from pgx.policies.categorical_linear import CategoricalLinear
from pgx.policies.categorical_mlp import CategoricalMLP
from pgx.types import Baseline, Rollout
from tests.support.oracle import gae, reinforce, reward_to_go
from tests.support.rollouts import (
    SEEDS,
    A,
    D,
    N,
    R,
    T,
    changed,
    lengthened,
    part,
    random_rollout,
    spec,
)
from tests.support.twins import slow_gae, slow_return, slow_score

#: estimator and kind of rollout: complete episodes, or T steps that cross episode ends
CASES = [(reinforce, True), (reward_to_go, True), (gae, True), (gae, False)]
KINDS = {"steps": False, "complete": True}

every = pytest.mark.parametrize(
    ("make", "complete"),
    CASES,
    ids=[f"{m.__name__}-{'episodes' if c else 'steps'}" for m, c in CASES],
)
kinds = pytest.mark.parametrize("complete", KINDS.values(), ids=KINDS)


def policy_of(seeds=SEEDS, hidden=(7,)) -> CategoricalMLP:
    return CategoricalMLP(spec(), seeds, list(hidden), "tanh", 1.0)


def baseline_of(rollout: Rollout, seed: int = 5) -> Baseline:
    """Any values; NaN where the bootstrap must not read."""
    generator = torch.Generator().manual_seed(seed)
    replicas, slots = rollout.mask.shape[1:]
    value, after = torch.randn(2, len(rollout.mask), replicas, slots, generator=generator)
    after[:-1] = torch.where(rollout.ended[:-1], after[:-1], value[1:])
    return Baseline(value, torch.where(rollout.terminated, torch.nan, after))


def one(baseline: Baseline, r: int) -> Baseline:
    return Baseline(baseline.value[:, r : r + 1].clone(), baseline.next_value[:, r : r + 1].clone())


def slow_weight(make, rollout, baseline, discount, limit, decay=0.8, weighted=False):
    """Ψ_t as the estimator's docstring writes it, in float64."""
    rows = (rollout.reward, baseline.value, baseline.next_value)
    if make is gae:
        psi = slow_gae(*rows, rollout.terminated, rollout.truncated, discount, decay, limit)
    else:
        goes_on = rollout.truncated & ~rollout.terminated & (limit == "bootstrap")
        rest = torch.where(goes_on, baseline.next_value, 0.0).double()
        psi = slow_return(rollout.reward + discount * rest, rollout.ended, discount)
        if make is reinforce:
            psi = psi[:1].expand_as(psi)
        psi = psi - baseline.value
    return psi * discount**rollout.time if weighted else psi


def assert_same(found: torch.Tensor, wanted: torch.Tensor) -> None:
    torch.testing.assert_close(found.double(), wanted, rtol=1e-4, atol=2e-5)


@every
@pytest.mark.parametrize("limit", ["bootstrap", "end"])
@pytest.mark.parametrize("discount", [0.9, 1.0])
@pytest.mark.parametrize("replicas", [1, R])
def test_the_gradient_is_autograds_of_the_equation(make, complete, limit, discount, replicas):
    policy = policy_of(SEEDS[:replicas])
    rollout = part(random_rollout(1, complete), slice(replicas))
    assert rollout.truncated[:-1].any() and (not complete or not rollout.mask.all())
    baseline = baseline_of(rollout)
    weight = slow_weight(make, rollout, baseline, discount, limit)
    found = make(discount=discount, time_limit=limit)(policy, rollout, baseline).gradient
    assert_same(found, slow_score(policy.net, rollout, weight))
    assert not found.requires_grad


@every
def test_time_limit_changes_the_gradient_through_truncated_rows_only(make, complete):
    rollout, policy = random_rollout(1, complete), policy_of()
    baseline = baseline_of(rollout)

    def both(rollout):
        return [
            make(discount=0.9, time_limit=limit)(policy, rollout, baseline).gradient
            for limit in ("bootstrap", "end")
        ]

    cut = (rollout.truncated & ~rollout.terminated).flatten(2).any(2).any(0)
    assert cut.any()
    for r in range(R):
        different = not torch.allclose(*[g[r] for g in both(rollout)], atol=1e-4)
        assert different == bool(cut[r])
    never = replace(rollout, truncated=torch.zeros_like(rollout.truncated))
    assert torch.equal(*both(never))


@every
@pytest.mark.parametrize("coefficient", [0.3, -2.0])
def test_the_entropy_bonus_is_added_per_row(make, complete, coefficient):
    rollout, policy = random_rollout(2, complete), policy_of()
    baseline = baseline_of(rollout)
    without = make()(policy, rollout, baseline).gradient
    found = make(entropy_coefficient=coefficient)(policy, rollout, baseline).gradient
    bonus = slow_score(policy.net, rollout, torch.zeros(T, R, N), coefficient)
    assert bonus.abs().max() > 1e-3
    assert_same(found - without, bonus)


@every
def test_the_sampled_bonus_weighs_the_score_with_minus_log_pi(make, complete):
    rollout, policy = random_rollout(2, complete), policy_of()
    baseline = baseline_of(rollout)
    plain, sampled = make(), make(entropy="monte_carlo", entropy_coefficient=0.3)
    found = sampled(policy, rollout, baseline)
    without = plain(policy, rollout, baseline)
    bonus = slow_score(policy.net, rollout, -0.3 * log_prob_of(policy, rollout))
    assert bonus.abs().max() > 1e-3
    assert_same(found.gradient - without.gradient, bonus)
    assert torch.equal(found.diagnostics["entropy"], without.diagnostics["entropy"])


def log_prob_of(policy: CategoricalMLP, rollout: Rollout) -> torch.Tensor:
    rows = replica_rows(rollout.observation)
    with torch.no_grad():
        log_pi = policy.log_prob(policy(rows), replica_rows(rollout.action))
    return time_rows(log_pi, *rollout.mask.shape[::2])


def test_the_sampled_bonus_is_the_analytic_one_on_average():
    """π = (1/4, 3/4): one slot takes the first action, three the second."""
    start = [0.0, math.log(3.0)]
    rollout = random_rollout(0, steps=1, slots=4)
    taken = torch.tensor([0, 1, 1, 1]).expand(1, R, 4)
    rollout = replace(rollout, action=taken, observation=torch.ones(1, R, 4, D))
    policy = CategoricalLinear(spec(), SEEDS, start)
    nothing = torch.zeros(1, R, 4)
    analytic = score_gradient(policy, rollout, nothing, 1.0)[0]
    sampled = score_gradient(policy, rollout, nothing, 1.0, sampled_entropy=True)[0]
    assert analytic.abs().max() > 0.1
    torch.testing.assert_close(sampled, analytic, rtol=1e-5, atol=1e-6)


@every
@pytest.mark.parametrize("entropy", ["analytic", "monte_carlo"])
def test_the_bonus_follows_each_replicas_schedule(make, complete, entropy):
    rollout, policy = random_rollout(2, complete), policy_of()
    baseline = baseline_of(rollout)
    schedule = {"start": 0.4, "end": 0.0, "until": 0.5}
    fading = make(entropy=entropy, entropy_coefficient=schedule)
    rollout = replace(rollout, progress=torch.tensor([0.0, 0.25, 0.75], dtype=torch.float64))
    found = fading(policy, rollout, baseline).gradient
    for r, coefficient in enumerate([0.4, 0.2, 0.0]):
        constant = make(entropy=entropy, entropy_coefficient=coefficient)
        assert_same(found[r], constant(policy, rollout, baseline).gradient[r].double())


@every
def test_normalised_weights_have_mean_0_and_deviation_1_per_replica(make, complete):
    rollout, policy = random_rollout(3, complete), policy_of()
    rollout = replace(rollout, reward=rollout.reward * torch.tensor([1.0, 50.0, 0.02])[:, None])
    baseline = baseline_of(rollout)
    options = {"discount": 0.9, "time_limit": "end"}
    weight = slow_weight(make, rollout, baseline, discount=0.9, limit="end")
    for r in range(R):
        rows = weight[:, r][rollout.mask[:, r]]
        weight[:, r] = (weight[:, r] - rows.mean()) / (rows.std(correction=0) + 1e-8)
        rows = weight[:, r][rollout.mask[:, r]]
        assert rows.mean().abs() < 1e-12 and rows.std(correction=0).item() == pytest.approx(1.0)
    found = make(**options, normalize_advantage=True)(policy, rollout, baseline).gradient
    assert_same(found, slow_score(policy.net, rollout, weight))
    plain = make(**options)(policy, rollout, baseline).gradient
    assert not torch.allclose(found, plain, atol=1e-3)


def test_standardise_by_hand():
    rollout = random_rollout(4, complete=True, steps=2, slots=3)
    rollout = replace(rollout, mask=torch.tensor([[[1, 1, 1]], [[1, 0, 0]]]).bool().expand(2, R, 3))
    rows = torch.tensor([[[1.0, 2.0, 3.0]], [[6.0, 99.0, -99.0]]]).expand(2, R, 3)
    assert masked_mean(rows, rollout).tolist() == [3.0] * R
    found = standardise(rows, rollout)
    deviation = math.sqrt((4 + 1 + 0 + 9) / 4)
    assert found[0, 0].tolist() == pytest.approx([-2 / deviation, -1 / deviation, 0.0])
    assert found[1, 0, 0].item() == pytest.approx(3 / deviation)


def test_equal_weights_are_standardised_to_zero():
    rollout = random_rollout(5)
    assert (standardise(torch.full((T, R, N), 2.0), rollout).abs() < 1e-3).all()


def test_rows_weigh_as_the_rollout_says():
    assert row_scale(random_rollout(complete=True)) == 1 / N
    assert row_scale(random_rollout(complete=False)) == pytest.approx(1 / (T * N))


@kinds
def test_entropy_diagnostic_takes_known_values(complete):
    """log 2 where the policy is uniform, 0 where it is deterministic; means over real rows only."""
    rollout = random_rollout(6, complete)
    baseline = baseline_of(rollout)
    for logits, wanted in ((None, math.log(2)), ((50.0, -50.0), 0.0)):
        policy = CategoricalLinear(spec(), SEEDS, logits)
        found = gae()(policy, rollout, baseline).diagnostics["entropy"]
        assert found.tolist() == pytest.approx([wanted] * R, abs=1e-6)
    policy = policy_of()
    rows = [policy.entropy(policy.net.frozen()(x)) for x in rollout.observation]
    mean = [torch.stack(rows)[:, r][rollout.mask[:, r]].mean().item() for r in range(R)]
    found = gae()(policy, rollout, baseline).diagnostics["entropy"]
    assert found.tolist() == pytest.approx(mean, abs=1e-5) and max(mean) < math.log(2) - 1e-3


@every
@pytest.mark.parametrize("discount", [1.0, 0.9])
@pytest.mark.parametrize("bonus", [{}, {"entropy_coefficient": 0.3}], ids=["plain", "entropy"])
def test_micro_batches_add_up_to_the_batch(make, complete, discount, bonus):
    rollout, policy = random_rollout(7, complete, slots=6), policy_of()
    baseline, estimator = baseline_of(rollout), make(discount=discount, **bonus)
    whole = estimator(policy, rollout, baseline).gradient
    pieces = []
    for first in (0, 2, 4):
        slots = slice(first, first + 2)
        values = Baseline(baseline.value[..., slots], baseline.next_value[..., slots])
        pieces.append(estimator(policy, part(rollout, slots=slots), values).gradient)
    torch.testing.assert_close(torch.stack(pieces).mean(0), whole, rtol=1e-4, atol=1e-5)


def test_long_episodes_in_blocks_are_one_sum():
    rollout, policy = random_rollout(8, complete=True, steps=150, slots=2), policy_of()
    weight = torch.randn(150, R, 2, generator=torch.Generator().manual_seed(0))
    found, entropy = score_gradient(policy, rollout, weight)
    assert entropy.shape == (150, R, 2)
    assert_same(found, slow_score(policy.net, rollout, weight))


@pytest.mark.parametrize("make", [reinforce, reward_to_go, gae])
@pytest.mark.parametrize("options", [{}, {"normalize_advantage": True, "entropy_coefficient": 0.1}])
def test_padding_that_a_neighbour_causes_changes_no_bit(make, options):
    rollout, policy = random_rollout(9, complete=True, steps=64), policy_of()
    longer = lengthened(rollout, 192)
    baseline = baseline_of(rollout)
    filler = torch.zeros(128, R, N)
    padded = Baseline(torch.cat([baseline.value, filler]), torch.cat([baseline.next_value, filler]))
    estimator = make(discount=0.9, **options)
    short, long = estimator(policy, rollout, baseline), estimator(policy, longer, padded)
    assert torch.equal(short.gradient, long.gradient)
    assert torch.equal(short.diagnostics["entropy"], long.diagnostics["entropy"])


@every
@pytest.mark.parametrize("value", [1e3, torch.nan, torch.inf])
@pytest.mark.parametrize("name", ["reward", "observation"])
@pytest.mark.parametrize("normalize", [False, True])
def test_what_happens_to_replica_1_stays_there(make, complete, name, value, normalize):
    rollout, policy = random_rollout(10, complete), policy_of()
    baseline = baseline_of(rollout)
    options = {"normalize_advantage": normalize, "entropy_coefficient": 0.1, "discount": 0.9}
    clean = make(**options)(policy, rollout, baseline)
    broken = make(**options)(policy, changed(rollout, name, (0, 1, 0), value), baseline)
    assert torch.equal(clean.gradient[[0, 2]], broken.gradient[[0, 2]])
    assert not torch.equal(clean.gradient[1], broken.gradient[1])
    one_, two = clean.diagnostics["entropy"], broken.diagnostics["entropy"]
    assert torch.equal(one_[[0, 2]], two[[0, 2]])


@every
def test_nan_in_a_parameter_or_a_value_stays_in_its_replica(make, complete):
    rollout, policy = random_rollout(10, complete), policy_of()
    baseline = baseline_of(rollout)
    clean = make(discount=0.9)(policy, rollout, baseline).gradient
    broken = Baseline(baseline.value.clone(), baseline.next_value)
    broken.value[0, 1, 0] = torch.nan
    with torch.no_grad():
        ill = policy_of()
        ill.flat[1, 3] = torch.nan
    for found in (
        make(discount=0.9)(policy, rollout, broken).gradient,
        make(discount=0.9)(ill, rollout, baseline).gradient,
    ):
        assert torch.equal(found[[0, 2]], clean[[0, 2]]) and found[1].isnan().any()


@every
@pytest.mark.parametrize("threads", [1, 2])
def test_a_replica_alone_equals_itself_among_others(make, complete, threads):
    rollout = random_rollout(11, complete, steps=130, slots=8)
    baseline = baseline_of(rollout)
    estimator = make(discount=0.97, normalize_advantage=True, entropy_coefficient=0.1)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(threads)
        among = estimator(policy_of(hidden=(64, 64)), rollout, baseline)
        torch.set_num_threads(1)
        for r, seed in enumerate(SEEDS):
            policy = policy_of([seed], (64, 64))
            alone = estimator(policy, part(rollout, slice(r, r + 1)), one(baseline, r))
            assert torch.equal(alone.gradient[0], among.gradient[r])
            assert torch.equal(alone.diagnostics["entropy"][0], among.diagnostics["entropy"][r])
    finally:
        torch.set_num_threads(before)


@pytest.mark.parametrize("make", [reinforce, reward_to_go, gae])
def test_a_finished_slot_weighs_exactly_zero(make):
    """What rows hold that do not exist changes no bit."""
    rollout, policy = random_rollout(12, complete=True), policy_of()
    baseline = baseline_of(rollout)
    gone = ~rollout.mask
    assert gone.any()
    shown, action = rollout.observation.clone(), rollout.action.clone()
    shown[gone], action[gone] = 7.0, (A - 1)
    other = replace(rollout, observation=shown, action=action)
    values = Baseline(torch.where(gone, 3.0, baseline.value), baseline.next_value)
    estimator = make(discount=0.9, entropy_coefficient=0.1)
    one_, two = estimator(policy, rollout, baseline), estimator(policy, other, values)
    assert torch.equal(one_.gradient, two.gradient)
    assert torch.equal(one_.diagnostics["entropy"], two.diagnostics["entropy"])


@pytest.mark.parametrize("make", [reinforce, reward_to_go, gae])
@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("discount", 1.5),
        ("discount", -0.1),
        ("discount", math.nan),
        ("entropy_coefficient", "much"),
        ("entropy", "sampled"),
        ("time_limit", "stop"),
    ],
)
def test_values_out_of_range_are_refused(make, key, value):
    with pytest.raises(ConfigError, match=rf"estimator\.{key}={value}"):
        make(**{key: value})


def test_sizes_in_these_tests_are_pairwise_distinct():
    assert len({T, R, N, D, A}) == 5
