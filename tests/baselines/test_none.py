"""No baseline: zeros everywhere, and nothing to learn."""

from __future__ import annotations

import pytest
import torch

from pgx.baselines.none import NoBaseline
from tests.support.rollouts import SEEDS, N, R, T, part, random_rollout, spec


@pytest.mark.parametrize("complete", [False, True])
@pytest.mark.parametrize("replicas", [1, R])
def test_it_is_zero_and_learns_nothing(complete, replicas):
    model = NoBaseline(spec(), SEEDS[:replicas])
    answer = model(part(random_rollout(complete=complete), slice(replicas)))
    for tensor in (answer.value, answer.next_value):
        assert tensor.shape == (T, replicas, N) and (tensor == 0).all()
    assert answer.gradient is None and answer.loss is None and answer.diagnostics == {}
    assert model.flat is None and model.learning_rate is None and list(model.parameters()) == []


def test_nan_in_the_rollout_does_not_make_it_nan():
    rollout = random_rollout()
    rollout.reward[0, 1, 2] = torch.nan
    assert (NoBaseline(spec(), SEEDS)(rollout).value == 0).all()


def test_it_fits_every_estimator_that_needs_no_prediction():
    model = NoBaseline(spec(), SEEDS)
    assert not model.predicts and model.least_slots == 1
