"""What every optimizer keeps: replicas apart, rates by their own progress, memory that reloads."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import hydra
import pytest
import torch
from omegaconf import OmegaConf

from pgx.errors import ConfigError
from pgx.optimizers.base import Optimizer

CONF = Path(__file__).parents[2] / "conf" / "optimizer"
OPTIONS = [
    path.stem
    for path in sorted(CONF.glob("*.yaml"))
    if issubclass(hydra.utils.get_class(OmegaConf.load(path)["_target_"]), Optimizer)
]
R, P, STEPS = 3, 64, 5

#: the ways to switch on what is off by default
VARIANTS = [(name, {}) for name in OPTIONS] + [("sgd", {"momentum": 0.9})]

Make = Callable[..., Optimizer]


@pytest.fixture(params=VARIANTS, ids=str)
def make(request) -> Make:
    name, options = request.param

    def make(parameter: torch.Tensor, **more) -> Optimizer:
        partial = hydra.utils.instantiate(OmegaConf.load(CONF / f"{name}.yaml"))
        return partial(parameter, **{**options, **more})

    return make


def normal(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def walked(make: Make, gradients: torch.Tensor, replicas: slice = slice(None)) -> list:
    """Parameter and state after every gradient of ``[STEPS, R, P]``."""
    progress = torch.tensor([0.0, 0.2, 0.5], dtype=torch.float64)
    optimizer = make(normal(0, R, P)[replicas].clone(), final_fraction=0.5)
    for step, gradient in enumerate(gradients[:, replicas]):
        optimizer.step(gradient.clone(), (progress + 0.01 * step)[replicas])
    return [tensor.clone() for tensor in optimizer.tensors()]


def test_it_declares_how_it_acts(make):
    optimizer = make(torch.zeros(R, P))
    assert optimizer.acts in ("elementwise", "per_replica")
    assert optimizer.tensors()[0] is optimizer.parameter
    for tensor in optimizer.tensors():
        assert tensor.shape[0] == R


@pytest.mark.parametrize("value", [1.0, 1e30, torch.inf, torch.nan])
@pytest.mark.parametrize("step", [0, 3])
def test_what_happens_to_replica_1_stays_there(make, value, step):
    gradients = normal(1, STEPS, R, P)
    clean = walked(make, gradients)
    gradients[step, 1] = value
    broken = walked(make, gradients)
    for before, after in zip(clean, broken, strict=True):
        assert torch.equal(before[[0, 2]], after[[0, 2]])
    assert not torch.equal(clean[0][1], broken[0][1])


def test_nan_in_one_replicas_parameter_stays_there(make):
    clean, broken = make(normal(0, R, P)), make(normal(0, R, P))
    broken.parameter[1] = torch.nan
    for optimizer in (clean, broken):
        optimizer.step(normal(1, R, P), torch.zeros(R, dtype=torch.float64))
    for before, after in zip(clean.tensors(), broken.tensors(), strict=True):
        assert torch.equal(before[[0, 2]], after[[0, 2]])


def test_a_replica_alone_equals_itself_among_others(make):
    gradients = normal(1, STEPS, R, P)
    among = walked(make, gradients)
    for r in range(R):
        for one, many in zip(walked(make, gradients, slice(r, r + 1)), among, strict=True):
            assert torch.equal(one[0], many[r])


def test_the_gradient_given_is_left_alone(make):
    gradient = normal(1, R, P)
    optimizer = make(normal(0, R, P))
    for _ in range(2):
        optimizer.step(gradient, torch.zeros(R, dtype=torch.float64))
    assert torch.equal(gradient, normal(1, R, P))


def test_memory_that_is_loaded_continues_exactly(make):
    gradients = normal(1, STEPS, R, P)
    progress = torch.zeros(R, dtype=torch.float64)
    first = make(normal(0, R, P))
    for gradient in gradients[:3]:
        first.step(gradient, progress)
    saved = first.state_dict()
    second = make(first.parameter.clone())
    second.load_state_dict(saved)
    for optimizer in (first, second):
        for gradient in gradients[3:]:
            optimizer.step(gradient, progress)
    for one, other in zip(first.tensors(), second.tensors(), strict=True):
        assert torch.equal(one, other)
    for name, tensor in saved.items():
        assert not tensor.equal(first.state[name])  # a copy, not a view


def test_the_rate_falls_linearly_with_each_replicas_own_progress(make):
    optimizer = make(torch.zeros(5, P), learning_rate=0.1, final_fraction=0.2)
    progress = torch.tensor([0.0, 0.25, 0.5, 1.0, 1.7], dtype=torch.float64)
    wanted = torch.tensor([0.1, 0.08, 0.06, 0.02, 0.02], dtype=torch.float64)
    torch.testing.assert_close(optimizer.learning_rate(progress), wanted)
    optimizer.step(torch.ones(5, P), progress)
    moved = optimizer.parameter[:, 0].double()
    assert moved[0] < 0
    torch.testing.assert_close(moved / moved[0], wanted / wanted[0], rtol=1e-5, atol=0)


def test_a_fraction_of_1_keeps_the_rate(make):
    optimizer = make(torch.zeros(R, P), learning_rate=0.1, final_fraction=1.0)
    rates = optimizer.learning_rate(torch.tensor([0.0, 0.7, 1.0]))
    assert torch.equal(rates, torch.full((R,), 0.1))


def test_a_rate_of_0_moves_nothing(make):
    optimizer = make(normal(0, R, P), learning_rate=0.0)
    optimizer.step(normal(1, R, P), torch.zeros(R, dtype=torch.float64))
    assert torch.equal(optimizer.parameter, normal(0, R, P))


@pytest.mark.parametrize(
    ("key", "value"), [("learning_rate", -0.1), ("final_fraction", -1.0), ("learning_rate", "big")]
)
def test_rates_out_of_range_are_refused(make, key, value):
    with pytest.raises(ConfigError, match=rf"optimizer\.{key}={value}"):
        make(torch.zeros(R, P), **{key: value})
