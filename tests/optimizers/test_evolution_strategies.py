"""Evolution strategies: the published weights, ties, mirrors, and a step by hand."""

from __future__ import annotations

import pytest
import torch

from pgx.optimizers.evolution_strategies import EvolutionStrategies, rank_weights
from tests.support.regulator_utility import FREE, regulator, start

KEYS = {"members": 10, "std": 0.1, "learning_rate": 0.02, "mirrored": True, "common_noise": False}
NOW = torch.zeros(1)


def make(parameter: torch.Tensor, **options) -> EvolutionStrategies:
    return EvolutionStrategies(parameter, **{**KEYS, **options}, free=FREE)


def test_the_published_weights():
    wanted = [0.32954, 0.16337, 0.06617, -0.0028, -0.05629, -0.1, -0.1, -0.1, -0.1, -0.1]
    torch.testing.assert_close(
        rank_weights(10), torch.tensor(wanted, dtype=torch.float64), rtol=0, atol=5e-6
    )
    assert float(rank_weights(7).sum()) == pytest.approx(0.0, abs=1e-12)


def test_weights_go_by_rank_and_alike_among_equals():
    w = rank_weights(4)
    search = make(start(2), members=4)
    utility = torch.tensor([[1.0, 9.0, -3.0, 2.0], [5.0, 7.0, 5.0, 5.0]], dtype=torch.float64)
    wanted = torch.stack([w[[2, 0, 3, 1]], torch.stack([w[1:].mean(), w[0], *[w[1:].mean()] * 2])])
    torch.testing.assert_close(search.weights(utility), wanted)
    alike = search.weights(torch.full((2, 4), 500.0, dtype=torch.float64))
    torch.testing.assert_close(alike, torch.zeros_like(alike), rtol=0, atol=1e-15)


def test_a_step_by_hand():
    search = make(start(), members=4)
    points = search.ask()[0, :, FREE].double()
    noise = (points - points.new_tensor([0.0, 1.0])) / 0.1
    search.tell(torch.tensor([[1.0, 9.0, -3.0, 2.0]]), NOW)
    w = rank_weights(4)
    ascent = w[0] * noise[1] + w[1] * noise[3] + w[2] * noise[0] + w[3] * noise[2]
    wanted = points.new_tensor([0.0, 1.0]) + 0.02 / 0.1 * ascent
    torch.testing.assert_close(search.parameter[0, FREE].double(), wanted, rtol=1e-5, atol=1e-6)
    assert float(search.spread()) == pytest.approx(0.1)


@pytest.mark.parametrize("mirrored", [True, False])
def test_mirrored_members_are_opposites(mirrored):
    search = make(start(3), mirrored=mirrored)
    away = search.ask() - start(3).unsqueeze(1)
    opposite = torch.allclose(away[:, :5], -away[:, 5:], atol=1e-6)
    assert opposite is mirrored


def test_only_the_order_of_utilities_matters():
    one, other = make(start(3)), make(start(3))
    for _ in range(5):
        one.tell(regulator(one.ask()), torch.zeros(3))
        other.tell((regulator(other.ask()) + 30.0) ** 3, torch.zeros(3))
    assert torch.equal(one.parameter, other.parameter)
    assert not torch.equal(one.parameter, start(3))


@pytest.mark.parametrize(
    "options",
    [{"members": 12}, {"std": 0.2}, {"learning_rate": 0.1}, {"mirrored": False}],
    ids=str,
)
def test_every_option_changes_the_step(options):
    ends = []
    for keys in ({}, options):
        search = make(start(), **keys)
        search.tell(regulator(search.ask()), NOW)
        ends.append(search.parameter.clone())
    assert not torch.equal(*ends)
