"""Stacked networks against plain autograd, and a replica alone against itself among others."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch

from pgx.nets import ReplicaMLP
from tests.support.twins import gradient_of, mlp, real_parameters

SEEDS, D, ROWS = (4, 0, 19), 5, 64
SIZES = [[D, 2], [D, 1], [D, 7, 3], [D, 64, 64, 2], [3, 20, 33, 6, 1]]
ACTIVATIONS = ["tanh", "relu"]


@contextmanager
def threads(count: int) -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def normal(seed: int, *shape: int) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def nudged(net: ReplicaMLP) -> ReplicaMLP:
    """Biases that are not zero, as after some training; padding untouched."""
    with torch.no_grad():
        for depth, (_, bias) in enumerate(net.layers(net.flat)):
            noise = normal(depth, 1, *bias.shape[1:])
            bias += 0.3 * noise
    return net


@pytest.mark.parametrize("seeds", [SEEDS, SEEDS[:1]])
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_forward_and_backward_equal_autograds(sizes, activation, seeds):
    net = nudged(ReplicaMLP(seeds, sizes, activation))
    rows = normal(1, len(seeds), ROWS, sizes[0])
    slope = normal(2, len(seeds), ROWS, sizes[-1])
    out = net(rows)
    assert out.shape == (len(seeds), ROWS, sizes[-1])
    wanted = mlp(net, net.flat.detach().double(), rows.double())
    torch.testing.assert_close(out.double(), wanted, rtol=1e-5, atol=1e-5)
    (found,) = torch.autograd.grad(out, net.flat, slope)
    exact = gradient_of(net, lambda flat: (mlp(net, flat, rows.double()) * slope).sum())
    torch.testing.assert_close(found.double(), exact, rtol=1e-5, atol=1e-4)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_the_frozen_network_is_the_same_function(sizes, activation):
    net = nudged(ReplicaMLP(SEEDS, sizes, activation))
    rows = normal(3, len(SEEDS), ROWS, sizes[0])
    frozen = net.frozen()
    torch.testing.assert_close(frozen(rows), net(rows).detach(), rtol=1e-5, atol=1e-5)
    few = frozen(rows[:, :7])
    assert few.shape == (len(SEEDS), 7, sizes[-1])
    torch.testing.assert_close(few, net(rows)[:, :7].detach(), rtol=1e-5, atol=1e-5)


def test_the_frozen_network_stays_as_it_was():
    net, rows = ReplicaMLP(SEEDS, [D, 7, 3]), normal(4, len(SEEDS), ROWS, D)
    frozen = net.frozen()
    before = frozen(rows).clone()
    with torch.no_grad():
        net.flat += 1.0
    assert torch.equal(frozen(rows), before)


def test_activations_differ():
    one, two = (ReplicaMLP(SEEDS, [D, 7, 3], name) for name in ACTIVATIONS)
    assert torch.equal(one.flat, two.flat)
    rows = normal(5, len(SEEDS), ROWS, D)
    assert not torch.allclose(one(rows), two(rows))


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("sizes", SIZES, ids=str)
def test_padding_is_zero_and_gets_no_gradient(sizes, activation):
    net = nudged(ReplicaMLP(SEEDS, sizes, activation))
    padding = torch.ones_like(net.flat, dtype=torch.bool)
    for weight, bias in net.layers(padding):
        weight[...], bias[...] = False, False
    assert net.flat.shape[1] % 64 == 0
    assert (~padding).sum(1).tolist() == [real_parameters(net, net.flat).shape[1]] * len(SEEDS)
    assert (net.flat[padding] == 0).all()
    rows = normal(6, len(SEEDS), ROWS, sizes[0])
    for _ in range(3):
        (gradient,) = torch.autograd.grad(net(rows).square().sum(), net.flat)
        assert (gradient[padding] == 0).all() and (gradient[~padding] != 0).any()
        with torch.no_grad():
            net.flat -= 0.01 * gradient
    assert (net.flat[padding] == 0).all()


@pytest.mark.parametrize("gain", [1.0, 0.01])
def test_weights_start_orthogonal_and_biases_at_zero(gain):
    net = ReplicaMLP(SEEDS, [D, 20, 20, 3], head_gain=gain)
    for depth, (weight, bias) in enumerate(net.layers(net.flat.detach())):
        assert (bias == 0).all()
        scale = gain if depth == 2 else 2**0.5
        for matrix in weight / scale:
            small = min(matrix.shape)
            product = matrix @ matrix.T if matrix.shape[0] == small else matrix.T @ matrix
            torch.testing.assert_close(product, torch.eye(small), rtol=0, atol=1e-5)


def test_a_seed_names_its_weights():
    net, again = ReplicaMLP(SEEDS, [D, 7, 3]), ReplicaMLP(SEEDS, [D, 7, 3])
    assert torch.equal(net.flat, again.flat)
    back = ReplicaMLP(SEEDS[::-1], [D, 7, 3])
    assert torch.equal(back.flat, net.flat.flip(0))
    for a, b in [(0, 1), (0, 2), (1, 2)]:
        for weight, _ in net.layers(net.flat):
            assert not torch.allclose(weight[a], weight[b])


def test_layers_and_streams_draw_numbers_of_their_own():
    net, other = ReplicaMLP(SEEDS, [7, 7, 7]), ReplicaMLP(SEEDS, [7, 7, 7], stream=1)
    (first, _), (second, _) = net.layers(net.flat)
    assert not torch.allclose(first / 2**0.5, second, atol=1e-3)
    assert not torch.allclose(first, other.layers(other.flat)[0][0])


def test_an_input_that_wants_a_gradient_is_refused():
    net = ReplicaMLP(SEEDS, [D, 2])
    with pytest.raises(ValueError, match="no gradient with respect to its input"):
        net(torch.zeros(len(SEEDS), ROWS, D, requires_grad=True))


def answers(seeds: tuple[int, ...], sizes: list[int], activation: str, rows, slope, few):
    """Forward, gradient and frozen, by as many threads as replicas allow, at most two."""
    with threads(min(torch.get_num_threads(), len(seeds))):
        net = nudged(ReplicaMLP(seeds, sizes, activation))
        out = net(rows)
        (gradient,) = torch.autograd.grad(out, net.flat, slope)
        frozen = net.frozen()
        return net.flat.detach(), out.detach(), gradient, frozen(rows), frozen(few)


@pytest.mark.parametrize("count", [1, 2])
@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("sizes", [[D, 2], [4, 64, 64, 2], [4, 64, 64, 1], [3, 20, 33, 6]], ids=str)
def test_a_replica_alone_equals_itself_among_others(sizes, activation, count):
    seeds = (4, 0, 19, 7, 2**33)
    rows = normal(7, len(seeds), 1024, sizes[0])
    slope, few = normal(8, len(seeds), 1024, sizes[-1]), normal(9, len(seeds), 8, sizes[0])
    with threads(count):
        among = answers(seeds, sizes, activation, rows, slope, few)
        for r, seed in enumerate(seeds):
            pieces = [x[r : r + 1].clone() for x in (rows, slope, few)]
            for one, many in zip(answers((seed,), sizes, activation, *pieces), among, strict=True):
                assert torch.equal(one[0], many[r])


def test_nan_stays_in_its_replica():
    net, rows = ReplicaMLP(SEEDS, [D, 7, 3]), normal(10, len(SEEDS), ROWS, D)
    slope = normal(11, len(SEEDS), ROWS, 3)

    def both(rows):
        out = net(rows)
        return out.detach(), torch.autograd.grad(out, net.flat, slope)[0], net.frozen()(rows)

    clean = both(rows)
    broken = rows.clone()
    broken[1] = torch.nan
    for one, other in zip(clean, both(broken), strict=True):
        assert torch.equal(one[[0, 2]], other[[0, 2]]) and other[1].isnan().any()
