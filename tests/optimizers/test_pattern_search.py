"""Hooke-Jeeves on the exact utility of the regulator, against a slow twin and by hand."""

from __future__ import annotations

import pytest
import torch

from pgx.optimizers.pattern_search import PatternSearch
from tests.support.regulator_utility import FREE, P, regulator, start

NOW = torch.zeros(1)


def make(parameter: torch.Tensor, **options) -> PatternSearch:
    keys = {"step": 0.75, "shrinkage": 0.75, "least_step": 0.01, "common_noise": False}
    return PatternSearch(parameter, **{**keys, **options}, free=FREE)


def test_the_figures_of_the_regulator():
    assert float(regulator(start().unsqueeze(0), 1e-5)) == pytest.approx(-24.640404, abs=1e-6)
    best = torch.zeros(1, 1, P)
    best[..., 0] = -1.0
    assert float(regulator(best)) == pytest.approx(-0.155132, abs=1e-6)


@pytest.mark.parametrize("slack", [0.0, 1e-5])
def test_the_published_search(slack):
    """From (0, 1) in 152 evaluations of neighbours; U(θ) itself is measured beside them."""
    search, evaluations = make(start()), 0
    while float(search.state["step"]) > 0.01:
        search.tell(regulator(search.ask(), slack), NOW)
        evaluations += 4
    assert evaluations == 152
    wanted = torch.tensor([[-0.99501, 0.00499]])
    torch.testing.assert_close(search.parameter[:, FREE], wanted, rtol=0, atol=5e-6)
    assert float(regulator(search.parameter.unsqueeze(1), slack)) == pytest.approx(
        -0.155273, abs=1e-6
    )
    assert (search.parameter[:, ~FREE] == 0).all()


def test_the_step_shrinks_no_further():
    search = make(start())
    for _ in range(60):
        search.tell(regulator(search.ask()), NOW)
    assert 0.0075 < float(search.state["step"]) <= 0.01
    assert float(search.spread()) == pytest.approx(float(search.state["step"]))


def slow(utility, theta: list[float], step: float, shrinkage: float, rounds: int):
    """One parameter set at a time."""
    for _ in range(rounds):
        best, found = utility(theta), theta
        for i in range(len(theta)):
            for sign in (-1.0, 1.0):
                tried = [t + sign * step * (i == j) for j, t in enumerate(theta)]
                if utility(tried) > best:
                    best, found = utility(tried), tried
        step, theta = (shrinkage * step, theta) if found is theta else (step, found)
    return theta, step


@pytest.mark.parametrize("rounds", [1, 5, 20])
def test_it_equals_the_slow_search(rounds):
    def utility(theta: list[float]) -> float:
        return float(regulator(torch.tensor(theta)))

    theta, step = slow(utility, [0.25, -0.5], 0.5, 0.5, rounds)
    flat = start()
    flat[0, :2] = torch.tensor([0.25, -0.5])
    search = make(flat, step=0.5, shrinkage=0.5, least_step=1e-9)
    for _ in range(rounds):
        search.tell(regulator(search.ask()), NOW)
    torch.testing.assert_close(search.parameter[0, FREE], torch.tensor(theta))
    assert float(search.state["step"]) == step


def test_two_iterations_by_hand():
    search = make(torch.zeros(1, P), step=1.0)
    wanted = [[0.0, 0.0], [-1.0, 0.0], [1.0, 0.0], [0.0, -1.0], [0.0, 1.0]]
    assert search.ask()[0, :, FREE].tolist() == wanted
    search.tell(torch.tensor([[1.0, 0.0, 5.0, 5.0, 2.0]]), NOW)  # of equals the first
    assert search.parameter[0, FREE].tolist() == [1.0, 0.0]
    search.ask()
    search.tell(torch.tensor([[4.0, 4.0, 4.0, 4.0, 4.0]]), NOW)  # no better is no step
    assert search.parameter[0, FREE].tolist() == [1.0, 0.0]
    assert search.state["step"].tolist() == [[0.75]]


@pytest.mark.parametrize(
    "options", [{"step": 0.5}, {"shrinkage": 0.5}, {"least_step": 0.6}], ids=str
)
def test_every_option_changes_the_search(options):
    ends = []
    for keys in ({}, options):
        search = make(start(), **keys)
        for _ in range(6):
            search.tell(regulator(search.ask()), NOW)
        ends.append((search.parameter.clone(), search.state["step"].clone()))
    assert any(not torch.equal(one, other) for one, other in zip(*ends, strict=True))
