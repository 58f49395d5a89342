"""What every search keeps: replicas apart, a memory that reloads, and figures worked by hand."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import hydra
import pytest
import torch
from omegaconf import OmegaConf

from pgx.errors import ConfigError
from pgx.optimizers.base import Optimizer
from pgx.optimizers.search import Search, best_first, chosen, ordered_sum, root_mean_square

CONF = Path(__file__).parents[2] / "conf" / "optimizer"
OPTIONS = [
    path.stem
    for path in sorted(CONF.glob("*.yaml"))
    if not issubclass(hydra.utils.get_class(OmegaConf.load(path)["_target_"]), Optimizer)
]
VARIANTS = [(name, {}) for name in OPTIONS] + [
    ("cross_entropy", {"covariance": "full", "extra_std": 0.1}),
    ("evolution_strategies", {"mirrored": False, "members": 31}),
]
SEEDS, P, F, STEPS = (5, 3, 8), 64, 7, 4
FREE = torch.arange(P) % 5 == 2
FREE[FREE.nonzero()[F:]] = False
Make = Callable[..., Search]


@pytest.fixture(params=VARIANTS, ids=str)
def make(request) -> Make:
    name, options = request.param

    def make(parameter: torch.Tensor, seeds=SEEDS, **more) -> Search:
        partial = hydra.utils.instantiate(OmegaConf.load(CONF / f"{name}.yaml"))
        return partial(parameter, seeds=seeds, free=FREE, **{**options, **more})

    return make


def start(which: slice = slice(None)) -> torch.Tensor:
    drawn = torch.randn(3, P, generator=torch.Generator().manual_seed(0))
    return (drawn * FREE)[which].clone()


def bowl(points: torch.Tensor) -> torch.Tensor:
    """A utility ``[R, M]`` with its maximum, 0, where every free coordinate is .5."""
    away = torch.where(FREE, points.double() - 0.5, 0.0)
    return -(away * away).cumsum(2)[:, :, -1]


def walk(search: Search, steps: int = STEPS, hit: tuple[int, float] | None = None) -> list:
    """Everything the search holds after some iterations; replica 1 is hit in one of them."""
    progress = torch.zeros(len(search.parameter))
    for step in range(steps):
        utility = bowl(search.ask())
        if hit is not None and step == hit[0]:
            utility[1, utility[1].argmin()] = hit[1]
        search.tell(utility, progress)
    return [tensor.clone() for tensor in search.tensors()]


def test_it_asks_for_its_members_around_what_is_not_searched(make):
    search = make(start() + 3.0)
    asked = search.ask()
    assert asked.shape == (3, search.members, P)
    rest = (start() + 3.0)[:, None, ~FREE].expand(-1, search.members, -1)
    assert torch.equal(asked[:, :, ~FREE], rest)
    assert not torch.equal(asked[:, 1], asked[:, 2])
    assert torch.equal(search.ask(), asked)  # a function of the state


def test_it_climbs(make):
    search = make(start())
    before = bowl(search.parameter.unsqueeze(1))
    walk(search, 40)
    after = bowl(search.parameter.unsqueeze(1))
    assert (after > 0.25 * before).all()
    assert search.state["iteration"].flatten().tolist() == [40, 40, 40]


def test_a_seed_alone_equals_itself_among_others(make):
    among = walk(make(start()))
    for r in range(3):
        alone = walk(make(start(slice(r, r + 1)), seeds=SEEDS[r : r + 1]))
        for one, many in zip(alone, among, strict=True):
            assert torch.equal(one[0], many[r])


@pytest.mark.parametrize("value", [1e30, torch.inf, torch.nan])
@pytest.mark.parametrize("step", [0, 2])
def test_what_happens_to_replica_1_stays_there(make, value, step):
    clean, broken = walk(make(start()), step + 1), walk(make(start()), step + 1, (step, value))
    for before, after in zip(clean, broken, strict=True):
        assert torch.equal(before[[0, 2]], after[[0, 2]])
    assert broken[0][1][FREE].isnan().all() == (value != 1e30)
    assert not torch.equal(clean[0][1], broken[0][1])


def test_nan_in_a_parameter_is_seen_and_stays_there(make):
    search = make(start())
    search.ask()
    search.tell(bowl(search.ask()), torch.zeros(3))
    for tensor in search.tensors():
        if tensor.is_floating_point():
            tensor[1] = torch.nan
    walk(search, 1)
    assert search.parameter[1, FREE].isnan().all()
    assert search.parameter[[0, 2]].isfinite().all()


def test_memory_that_is_loaded_continues_exactly(make):
    first = make(start())
    walk(first, 3)
    second = make(first.parameter.clone())
    second.load_state_dict(first.state_dict())
    for one, other in zip(walk(first), walk(second), strict=True):
        assert torch.equal(one, other)


def test_the_step_is_as_long_as_the_incumbent_moved(make):
    search = make(start())
    before = search.parameter.clone()
    told = search.tell(bowl(search.ask()), torch.zeros(3))
    torch.testing.assert_close(told, (search.parameter - before).norm(dim=1))


def test_draws_are_of_the_seed_and_the_iteration():
    partial = hydra.utils.instantiate(OmegaConf.load(CONF / "cross_entropy.yaml"))
    one, other = partial(start(), seeds=SEEDS), partial(start(), seeds=(5, 4, 8))
    assert torch.equal(one.normal(3, 5)[[0, 2]], other.normal(3, 5)[[0, 2]])
    assert not torch.equal(one.normal(3, 5)[1], other.normal(3, 5)[1])
    before = one.normal(3, 5)
    one.tell(bowl(one.ask()), torch.zeros(3))
    assert not torch.equal(one.normal(3, 5), before)
    assert ((one.uniform(3, 5) > 0) & (one.uniform(3, 5) < 1)).all()


def test_parts_of_searches_by_hand():
    utility = torch.tensor([[1.0, 3.0, 3.0, -2.0], [0.0, 0.0, 0.0, 1.0]])
    assert best_first(utility).tolist() == [[1, 2, 0, 3], [3, 0, 1, 2]]
    members = torch.arange(24.0).reshape(2, 4, 3)
    picked = chosen(members, best_first(utility)[:, :1])
    assert picked.tolist() == [[[3.0, 4.0, 5.0]], [[21.0, 22.0, 23.0]]]
    assert ordered_sum(members.unbind(1)).tolist() == [[18.0, 22.0, 26.0], [66.0, 70.0, 74.0]]
    torch.testing.assert_close(
        root_mean_square(torch.tensor([[3.0, 4.0]])), torch.tensor([12.5**0.5])
    )


@pytest.mark.parametrize(
    ("option", "key", "value"),
    [
        ("cross_entropy", "members", 1),
        ("cross_entropy", "elites", 26),
        ("cross_entropy", "elites", 0),
        ("cross_entropy", "initial_std", 0.0),
        ("cross_entropy", "covariance", "round"),
        ("cross_entropy", "extra_std", -0.1),
        ("cross_entropy", "common_noise", 1),
        ("genetic", "elites", 26),
        ("genetic", "mutation_std", -1.0),
        ("genetic", "initial_std", 0),
        ("pattern_search", "step", 0.0),
        ("pattern_search", "shrinkage", 1.0),
        ("pattern_search", "least_step", 0.0),
        ("evolution_strategies", "members", 7),
        ("evolution_strategies", "std", 0.0),
        ("evolution_strategies", "learning_rate", -1.0),
        ("evolution_strategies", "mirrored", "yes"),
    ],
)
def test_values_that_make_no_sense_are_refused(option, key, value):
    partial = hydra.utils.instantiate(OmegaConf.load(CONF / f"{option}.yaml"))
    with pytest.raises(ConfigError, match=rf"^optimizer\.{key}={value}"):
        partial(torch.zeros(1, P), **{key: value})
