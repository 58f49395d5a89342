"""Sums and statistics of draws, by hand on three trajectories and against slow twins."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from pgx.gradients.moments import Batches, Moments
from pgx.gradients.statistics import describe, jackknife, reference_norm
from pgx.gradients.truth import Truth

#: Three trajectories' estimates of two parameters.
THREE = torch.tensor([[1.0, 0.0], [2.0, 3.0], [6.0, 0.0]])


def moments_of(draws: torch.Tensor, groups: int) -> Moments:
    made = Moments(draws.shape[1], groups)
    made.add(0, draws, groups)
    return made


def sample(count: int, width: int, shift: float = 0.0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(count + width)
    return torch.randn(count, width, generator=generator, dtype=torch.float64) + shift


def test_three_trajectories_by_hand():
    """Means 3 and 1, variances 7 and 3; without one: of the other two."""
    count, total, square = moments_of(THREE, 3).without()
    assert count[:, 0].tolist() == [3, 2, 2, 2]
    assert total.tolist() == [[9, 3], [8, 3], [7, 0], [3, 3]]
    assert square.tolist() == [[41, 9], [40, 9], [37, 0], [5, 9]]


def test_three_trajectories_described():
    """Six draws: the three twice, so that both halves of the groups see them."""
    six = torch.cat([THREE, THREE])
    truth = Truth(np.array([3.0, 0.0]))
    decisions = np.array([5.0, 7.0, 9.0] * 2)
    found = describe(moments_of(six, 6), truth, 1, decisions, 0.5)
    # Σ(x − x̄)² = 2 · (14 + 6) over n − 1 = 5
    assert found.variance.value == pytest.approx(8.0)
    assert found.signal_to_noise.value == pytest.approx(9.0 / 8.0)
    # ‖ḡ‖² − tr S²/n = 10 − 8/6, and ⟨ḡ, ∇J⟩ = 9
    assert found.cosine.value == pytest.approx(min(1.0, 9.0 / (3.0 * (10 - 8 / 6) ** 0.5)))
    assert found.per_decision.value == pytest.approx(8.0 * 7.0)
    assert found.per_second.value == pytest.approx(4.0)
    assert found.decisions == 7.0 and found.draws == 6
    each = found.parameters
    assert each.mean.tolist() == [3.0, 1.0] and each.bias.tolist() == [0.0, 1.0]
    assert each.variance == pytest.approx([28 / 5, 12 / 5])
    half = stats.t.ppf(0.975, 5) * np.sqrt(np.array([28, 12]) / 5 / 6)
    assert each.bias_high - each.bias == pytest.approx(half)
    assert each.bias - each.bias_low == pytest.approx(half)


def test_a_draw_of_several_trajectories_counts_as_one():
    """Batches of m: the variance is m times theirs, decisions are spread over their members."""
    truth, decisions = Truth(np.array([1.0, 0.0])), np.full(6, 8.0)
    one = describe(moments_of(sample(12, 2), 6), truth, 1, decisions, 0.5)
    four = describe(moments_of(sample(12, 2), 6), truth, 4, decisions, 0.5)
    assert four.variance.value == pytest.approx(4 * one.variance.value)
    assert four.decisions == pytest.approx(one.decisions / 4)
    assert four.bias == one.bias


def test_the_jackknife_of_a_mean_is_students_interval():
    values = np.array([1.0, 4.0, 2.0, 9.0])
    without = np.array([(values.sum() - x) / 3 for x in values])
    found = jackknife(np.concatenate([[values.mean()], without]))
    half = stats.t.ppf(0.975, 3) * values.std(ddof=1) / 2
    assert found.value == 4.0
    assert (found.low, found.high) == pytest.approx((4.0 - half, 4.0 + half))


def test_the_jackknife_on_the_logarithm_stays_positive():
    parts = np.array([2.0, 2.0, 8.0, 8.0])
    found = jackknife(np.concatenate([[4.0], parts]), positive=True)
    half = stats.t.ppf(0.975, 3) * 3**0.5 * np.log(parts).std()
    assert (found.low, found.high) == pytest.approx((4 * np.exp(-half), 4 * np.exp(half)))


@pytest.mark.parametrize(
    ("values", "ends"),
    [([0.0, 0.0, 0.0], (0.0, 0.0, 0.0)), ([np.nan, 1.0, 1.0], (None, None, None))],
)
def test_what_the_jackknife_cannot_say(values, ends):
    found = jackknife(np.array(values), positive=True)
    assert (found.value, found.low, found.high) == ends


def test_a_bias_is_measured_where_its_direction_was_not_chosen():
    """Every other group shows the direction; the others measure along it."""
    draws = sample(400, 3, shift=0.7)
    found = describe(moments_of(draws, 20), Truth(np.zeros(3)), 1, np.ones(20), 1.0)
    groups = draws.reshape(20, 20, 3).mean(1).numpy()
    direction = groups[0::2].mean(0) / np.linalg.norm(groups[0::2].mean(0))
    along = groups[1::2] @ direction
    test = stats.ttest_1samp(along, 0.0)
    assert found.bias.value == pytest.approx(along.mean())
    assert found.p == pytest.approx(test.pvalue, rel=1e-2) and found.p < 1e-6
    low, high = test.confidence_interval()
    assert (found.bias.low, found.bias.high) == pytest.approx((low, high), abs=1e-4)


def test_unbiased_draws_are_called_biased_about_as_often_as_the_level_says():
    seen = [
        describe(moments_of(part, 10), Truth(np.zeros(2)), 1, np.ones(10), 1.0)
        for part in sample(300 * 40, 2).split(40)
    ]
    share = np.mean([one.p < 0.05 for one in seen])
    inside = np.mean([one.bias.low <= 0 <= one.bias.high for one in seen])
    assert 0.02 < share < 0.09 and inside == pytest.approx(1 - share, abs=0.01)


def test_variance_zero_and_the_rounding_of_float32():
    """A draw that never varies: no bias below 1e-5 of the norms, a sure one above."""
    truth = Truth(np.array([3.0, 4.0]))
    for off, p in ((1e-7, 1.0), (1e-2, 0.0)):
        draws = torch.tensor([[3.0 + off, 4.0]], dtype=torch.float64).repeat(20, 1)
        draws[::2] += 1e-7  # as another order of additions would have it
        found = describe(moments_of(draws, 10), truth, 1, np.ones(10), 1.0)
        assert found.p == p and found.variance.value == found.variance.high == 0.0
        assert found.signal_to_noise.value is None
        assert (found.bias.low <= 0 <= found.bias.high) == (p == 1.0)


def test_a_reference_run_knows_the_gradient_up_to_its_own_noise():
    """Its squared norm without the trace that noise adds; its error widens every bias."""
    reference = moments_of(sample(60, 2, shift=1.0), 10)
    mean = reference.total.sum(0) / 60
    truth = Truth(mean, reference)
    x = sample(60, 2, shift=1.0).numpy()
    pairs = sum(float(x[i] @ x[j]) for i in range(60) for j in range(60) if i != j)
    assert reference_norm(truth).value == pytest.approx(pairs / (60 * 59))
    draws = moments_of(sample(40, 2, shift=1.0), 10)
    held = describe(draws, truth, 1, np.ones(10), 1.0).parameters
    known = describe(draws, Truth(mean), 1, np.ones(10), 1.0).parameters
    assert (held.bias_high - held.bias > known.bias_high - known.bias).all()
    variances = [sample(count, 2, shift=1.0).var(0).numpy() for count in (40, 60)]
    half = stats.t.ppf(0.975, 39) * np.sqrt(variances[0] / 40 + variances[1] / 60)
    assert held.bias_high - held.bias == pytest.approx(half)


def test_variance_of_batches():
    found = Batches.empty(2, 2)
    found.add(0, THREE)
    found.add(1, torch.tensor([[1.5, 1.5], [4.5, 0.5]]))
    assert found.variance == pytest.approx([10.0, 4.5 + 0.5])
    assert np.isnan(Batches.empty(1, 2).variance).all()
