"""The genetic search: who has offspring, who survives, and the regulator."""

from __future__ import annotations

import pytest
import torch

from pgx.optimizers.genetic import Genetic
from tests.support.regulator_utility import FREE, P, regulator, start

KEYS = {
    "members": 25,
    "elites": 5,
    "initial_std": 1.0,
    "mutation_std": 0.3,
    "common_noise": False,
}
NOW = torch.zeros(1)


def make(parameter: torch.Tensor, **options) -> Genetic:
    return Genetic(parameter, **{**KEYS, **options}, free=FREE)


def test_without_mutation_the_next_generation_are_copies_of_the_elites():
    search = make(torch.zeros(1, P), members=400, elites=3, mutation_std=0.0)
    points = search.ask()[0, :, FREE]
    assert (points[-1] == 0).all()  # the start itself
    utility = -torch.arange(400.0)
    utility[[7, 300, 41]] = torch.tensor([3.0, 2.0, 1.0])
    search.tell(utility[None], NOW)
    assert torch.equal(search.parameter[0, FREE], points[7])
    after = search.ask()[0, :, FREE]
    assert torch.equal(after[-1], points[7])  # the best survives unchanged
    counts = [int((after[:-1] == points[i]).all(1).sum()) for i in (7, 300, 41)]
    assert sum(counts) == 399
    assert min(counts) > 90  # 133 each on average, standard deviation 9.4


def test_offspring_scatter_around_their_elite():
    search = make(start(), members=20_000, elites=1)
    points = search.ask()
    search.tell(regulator(points), NOW)
    away = search.ask()[0, :-1, FREE] - search.parameter[0, FREE]
    torch.testing.assert_close(torch.cov(away.T), 0.09 * torch.eye(2), rtol=0, atol=0.005)
    assert float(search.spread()) == pytest.approx(0.3, abs=0.01)


def test_it_finds_the_regulators_optimum_and_never_loses_it():
    search, best = make(start(3)), torch.full((3,), -torch.inf, dtype=torch.float64)
    for _ in range(40):
        search.tell(regulator(search.ask()), torch.zeros(3))
        now = regulator(search.parameter.unsqueeze(1))[:, 0]
        assert (now >= best).all()
        best = now
    assert (best > -0.16).all()


@pytest.mark.parametrize(
    "options",
    [{"members": 12}, {"elites": 1}, {"initial_std": 0.5}, {"mutation_std": 0.1}],
    ids=str,
)
def test_every_option_changes_the_second_generation(options):
    ends = []
    for keys in ({}, options):
        search = make(start(), **keys)
        for _ in range(2):
            search.tell(regulator(search.ask()), NOW)
        ends.append(search.parameter.clone())
    assert not torch.equal(*ends)
