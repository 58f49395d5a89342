"""The critic: its targets, its gradient, and V(s') where a bootstrap reads it."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from pgx.baselines.value import Value
from pgx.errors import ConfigError
from pgx.policies.categorical_mlp import CategoricalMLP
from pgx.types import EnvSpec, Rollout
from tests.support.rollouts import (
    SEEDS,
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
from tests.support.twins import gradient_of, mlp, slow_gae

DEFAULTS = {
    "hidden": [6],
    "activation": "tanh",
    "discount": 0.9,
    "time_limit": "bootstrap",
    "target_trace_decay": 0.8,
    "target": "current",
    "coefficient": 0.5,
    "learning_rate": 0.1,
}
KINDS = {"steps": False, "complete": True}


def make(seeds=SEEDS, width: int = D, **options) -> Value:
    return Value(spec(width), seeds, **{**DEFAULTS, **options})


def constant(level: float, seeds=SEEDS, **options) -> Value:
    """V = ``level`` everywhere."""
    model = make(seeds, hidden=[], **options)
    with torch.no_grad():
        model.flat[...] = 0.0
        model.net.layers(model.flat)[0][1][...] = level
    return model


def values(model: Value, observation: torch.Tensor) -> torch.Tensor:
    """V of ``[T, R, N, D]`` row by row, float64."""
    flat = model.flat.detach().double()
    return torch.stack([mlp(model.net, flat, rows.double())[..., 0] for rows in observation])


def slow_next_value(model: Value, rollout: Rollout) -> torch.Tensor:
    """V(next_observation), and 0 where an episode terminated or no row is."""
    after = values(model, rollout.next_observation)
    over = rollout.terminated | ~rollout.mask
    return torch.where(over, 0.0, after)


def slow_target(model: Value, rollout: Rollout) -> torch.Tensor:
    value = values(model, rollout.observation)
    advantage = slow_gae(
        rollout.reward,
        value,
        slow_next_value(model, rollout),
        rollout.terminated,
        rollout.truncated,
        model.discount,
        model.target_trace_decay,
        model.time_limit,
    )
    return (advantage + value) * rollout.mask


@pytest.mark.parametrize("complete", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("limit", ["bootstrap", "end"])
@pytest.mark.parametrize("replicas", [1, R])
def test_values_of_rows_and_successors_equal_slow_ones(complete, limit, replicas):
    model = make(SEEDS[:replicas], time_limit=limit)
    rollout = part(random_rollout(2, complete), slice(replicas))
    cut = rollout.truncated & ~rollout.terminated
    assert cut[:-1].any() and rollout.terminated.any()
    answer = model(rollout)
    wanted = values(model, rollout.observation)
    torch.testing.assert_close(answer.value.double(), wanted, rtol=1e-5, atol=1e-5)
    read = rollout.mask & ~rollout.terminated
    found = torch.where(read, answer.next_value.double(), 0.0)
    wanted = slow_next_value(model, rollout)
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5)
    assert (wanted[:-1][cut[:-1]] != 0).all()  # each reader applies its own time limit
    assert (answer.next_value[:-1][(rollout.ended & ~read)[:-1]] == 0).all()
    for tensor in (answer.value, answer.next_value, answer.gradient, answer.loss):
        assert not tensor.requires_grad


def test_a_replica_with_more_truncations_than_a_batch_of_forward_passes():
    """Successors at truncations are evaluated in batches of 64 per replica."""
    rollout = random_rollout(3, steps=40)
    terminated, truncated = rollout.terminated.clone(), rollout.truncated.clone()
    terminated[...], truncated[...] = False, False
    truncated[:, 1], truncated[5, 2, 3] = True, True
    rollout = replace(rollout, terminated=terminated, truncated=truncated)
    model, on = make(), ~truncated[:-1].unsqueeze(-1)
    following = rollout.next_observation.clone()
    following[:-1] = torch.where(on, rollout.observation[1:], following[:-1])
    rollout = replace(rollout, next_observation=following)
    wanted = slow_next_value(model, rollout)
    found = model(rollout).next_value.double()
    torch.testing.assert_close(found, wanted, rtol=1e-5, atol=1e-5)


def loss_of(model: Value, rollout: Rollout, flat: torch.Tensor, target: torch.Tensor):
    """c · scale Σ (V − y)² per replica, as the docstring writes it."""
    value = torch.stack(
        [mlp(model.net, flat, rows.double())[..., 0] for rows in rollout.observation]
    )
    count = N if rollout.complete else T * N
    return model.coefficient(None) / count * ((value - target).square() * rollout.mask).sum((0, 2))


@pytest.mark.parametrize("complete", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize("limit", ["bootstrap", "end"])
@pytest.mark.parametrize("decay", [0.0, 0.8, 1.0])
@pytest.mark.parametrize("activation", ["tanh", "relu"])
def test_gradient_and_loss_are_those_of_the_equation(complete, limit, decay, activation):
    model = make(time_limit=limit, target_trace_decay=decay, activation=activation)
    rollout = random_rollout(4, complete)
    answer, target = model(rollout), slow_target(model, rollout)
    wanted = loss_of(model, rollout, model.flat.detach().double(), target)
    torch.testing.assert_close(answer.loss.double(), wanted, rtol=1e-5, atol=1e-6)
    assert torch.equal(answer.diagnostics["value_loss"], answer.loss)
    exact = gradient_of(model.net, lambda flat: loss_of(model, rollout, flat, target).sum())
    torch.testing.assert_close(answer.gradient.double(), exact, rtol=1e-4, atol=1e-5)


def test_the_target_carries_no_gradient():
    """Differentiating through the TD target as well gives another direction."""
    model, rollout = make(target_trace_decay=0.0), random_rollout(5)

    def residual(flat: torch.Tensor) -> torch.Tensor:
        after = torch.stack(
            [mlp(model.net, flat, x.double())[..., 0] for x in rollout.next_observation]
        )
        target = rollout.reward + 0.9 * torch.where(rollout.terminated, 0.0, after)
        return loss_of(model, rollout, flat, target).sum()

    answer, whole = model(rollout).gradient, gradient_of(model.net, residual)
    assert not torch.allclose(answer.double(), whole, atol=1e-2)
    target = slow_target(model, rollout)
    exact = gradient_of(model.net, lambda flat: loss_of(model, rollout, flat, target).sum())
    torch.testing.assert_close(answer.double(), exact, rtol=1e-4, atol=1e-5)


def hand_rollout(complete: bool) -> Rollout:
    """Every reward 1, nothing ends; or every first row terminates."""
    rollout = random_rollout(6, complete)
    reward, terminated = torch.ones_like(rollout.reward), torch.zeros_like(rollout.terminated)
    mask = torch.ones_like(rollout.mask)
    if complete:
        terminated[0], mask[1:], reward[1:] = True, False, 0.0
    never = torch.zeros_like(terminated)
    return replace(rollout, reward=reward, terminated=terminated, truncated=never, mask=mask)


@pytest.mark.parametrize("coefficient", [0.5, 2.0])
def test_loss_and_scale_by_hand(coefficient):
    """V = 3. One row a slot that earns 1: error −2. T rows of TD(0): 1 + .9·3 − 3 = .7."""
    options = {"coefficient": coefficient, "target_trace_decay": 0.0}
    complete = constant(3.0, **options)(hand_rollout(True))
    assert complete.loss.tolist() == pytest.approx([coefficient * 4.0] * R)
    steps = constant(3.0, **options)(hand_rollout(False))
    assert steps.loss.tolist() == pytest.approx([coefficient * 0.49] * R)
    model = constant(3.0, **options)
    bias = model.net.layers(complete.gradient)[0][1]
    assert bias.flatten().tolist() == pytest.approx([coefficient * 2 * 2.0] * R)
    bias = model.net.layers(steps.gradient)[0][1]
    assert bias.flatten().tolist() == pytest.approx([-coefficient * 2 * 0.7] * R)


def test_complete_episodes_sum_over_time_and_steps_average():
    rollout = random_rollout(7)
    as_episodes = replace(rollout, complete=True)
    options = {"time_limit": "end", "target_trace_decay": 1.0}
    ended = rollout.terminated.clone()
    ended[-1] = True
    both = [replace(x, terminated=ended) for x in (rollout, as_episodes)]
    steps, complete = (make(**options)(x) for x in both)
    torch.testing.assert_close(T * steps.gradient, complete.gradient, rtol=1e-4, atol=1e-6)
    torch.testing.assert_close(T * steps.loss, complete.loss)


@pytest.mark.parametrize("complete", KINDS.values(), ids=KINDS)
def test_explained_variance_takes_known_values(complete):
    """0 for a constant V, 1 for one that is right, below 0 for one that is worse than constant."""
    rollout = random_rollout(8, complete)
    ended = torch.ones_like(rollout.terminated) if not complete else rollout.terminated
    first = rollout.observation[..., 0]
    flat = constant(5.0, time_limit="end", target_trace_decay=1.0)(
        replace(rollout, terminated=ended)
    )
    found = flat.diagnostics["explained_variance"]
    assert found.tolist() == pytest.approx([0.0] * R, abs=1e-4)
    one_row = torch.ones_like(rollout.terminated)
    right = replace(rollout, reward=2.0 * first + 1.0, terminated=one_row)
    model = constant(1.0)
    for slope, wanted in ((2.0, 1.0), (1.0, 0.75), (0.0, 0.0), (-2.0, -3.0)):
        with torch.no_grad():
            model.net.layers(model.flat)[0][0][:, 0] = slope
        found = model(right).diagnostics["explained_variance"]
        assert found.tolist() == pytest.approx([wanted] * R, abs=1e-4)


@pytest.mark.parametrize("complete", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize(
    "options",
    [
        {"hidden": [5]},
        {"activation": "relu"},
        {"discount": 0.5},
        {"time_limit": "end"},
        {"target_trace_decay": 0.1},
        {"coefficient": 0.25},
    ],
    ids=str,
)
def test_every_option_changes_the_result(options, complete):
    rollout = random_rollout(9, complete)
    assert not torch.allclose(make(**options)(rollout).loss, make()(rollout).loss, rtol=1e-3)


def test_its_learning_rate_is_its_own_and_its_weights_are_not_the_policys():
    assert make(learning_rate=0.7).learning_rate == 0.7
    assert make().predicts and make().least_slots == 1
    policy = CategoricalMLP(spec(), SEEDS, [6], "tanh", 1.0)
    mine, theirs = (net.layers(net.flat)[0][0] for net in (make().net, policy.net))
    assert mine.shape == theirs.shape and not torch.allclose(mine, theirs)


def test_observations_of_any_shape_are_flattened():
    model = Value(EnvSpec("box", (2, 2), "discrete", 2), SEEDS, **DEFAULTS)
    rollout = random_rollout(10)
    shaped = replace(
        rollout,
        observation=rollout.observation.unflatten(-1, (2, 2)),
        next_observation=rollout.next_observation.unflatten(-1, (2, 2)),
    )
    torch.testing.assert_close(model(shaped).gradient, make()(rollout).gradient)


@pytest.mark.parametrize("complete", KINDS.values(), ids=KINDS)
@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("reward", (0, 1, 0)),
        ("observation", (2, 1, 0)),
        ("next_observation", (T - 1, 1, 0)),
    ],
)
@pytest.mark.parametrize("value", [1e3, torch.nan, torch.inf])
def test_what_happens_to_replica_1_stays_there(complete, name, place, value):
    rollout = random_rollout(11, complete)
    rollout = changed(rollout, "truncated", (-1, 1, 0), True)
    rollout = changed(rollout, "terminated", (-1, 1, 0), False)
    clean, broken = make()(rollout), make()(changed(rollout, name, place, value))
    pairs = [(clean.gradient, broken.gradient), (clean.loss, broken.loss)]
    pairs += [(clean.diagnostics[k], broken.diagnostics[k]) for k in clean.diagnostics]
    for one, other in pairs:
        assert torch.equal(one[[0, 2]], other[[0, 2]])
    assert not torch.equal(clean.loss[1], broken.loss[1])
    for one, other in ((clean.value, broken.value), (clean.next_value, broken.next_value)):
        assert torch.equal(one[:, [0, 2]], other[:, [0, 2]])


@pytest.mark.parametrize("complete", KINDS.values(), ids=KINDS)
def test_nan_in_a_terminal_successor_is_not_read(complete):
    rollout = random_rollout(12, complete)
    following = rollout.next_observation.clone()
    following[rollout.terminated] = torch.nan
    clean, broken = make()(rollout), make()(replace(rollout, next_observation=following))
    assert torch.equal(clean.gradient, broken.gradient) and torch.equal(clean.loss, broken.loss)


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("complete", KINDS.values(), ids=KINDS)
def test_a_replica_alone_equals_itself_among_others(complete, threads):
    rollout = random_rollout(13, complete, steps=130, slots=8)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(threads)
        among = make(hidden=[64, 64])(rollout)
        torch.set_num_threads(1)
        for r, seed in enumerate(SEEDS):
            alone = make([seed], hidden=[64, 64])(part(rollout, slice(r, r + 1)))
            assert torch.equal(alone.gradient[0], among.gradient[r])
            assert torch.equal(alone.loss[0], among.loss[r])
            assert torch.equal(alone.value[:, 0], among.value[:, r])
            assert torch.equal(alone.next_value[:, 0], among.next_value[:, r])
            for name, numbers in alone.diagnostics.items():
                assert torch.equal(numbers[0], among.diagnostics[name][r])
    finally:
        torch.set_num_threads(before)


def test_padding_that_a_neighbour_causes_changes_no_bit():
    rollout = random_rollout(14, complete=True, steps=64)
    model, longer = make(), lengthened(rollout, 192)
    short, long = model(rollout), model(longer)
    assert torch.equal(short.gradient, long.gradient) and torch.equal(short.loss, long.loss)
    assert torch.equal(short.next_value[rollout.mask], long.next_value[:64][rollout.mask])
    for name, numbers in short.diagnostics.items():
        assert torch.equal(numbers, long.diagnostics[name])


def test_descent_finds_the_mean_return():
    model, rollout = constant(0.0, target_trace_decay=1.0), hand_rollout(True)
    for _ in range(200):
        with torch.no_grad():
            model.flat.sub_(0.1 * model(rollout).gradient)
    assert model(rollout).loss.max() < 1e-4


@pytest.mark.parametrize(
    ("key", "value"),
    [("target_trace_decay", 1.5), ("target_trace_decay", -0.1), ("coefficient", -1)],
)
def test_values_out_of_range_are_refused(key, value):
    with pytest.raises(ConfigError, match=rf"baseline\.{key}="):
        make(**{key: value})


@pytest.mark.parametrize("kind", KINDS)
def test_a_frozen_target_is_made_by_the_network_before_the_last_step(kind):
    """L = c · scale Σ (V_new − y_old)², whose gradient goes through V_new alone."""
    rollout, model = random_rollout(21, complete=KINDS[kind]), make(target="frozen")
    first, current = model(rollout), make()(rollout)
    torch.testing.assert_close(first.gradient, current.gradient)  # before any step they are one
    old = make()
    with torch.no_grad():
        for weight, bias in model.net.layers(model.flat):
            weight.mul_(1.2)
            bias.add_(0.1)
    found = model(rollout)
    rows = (rollout.reward, values(old, rollout.observation), slow_next_value(old, rollout))
    advantage = slow_gae(*rows, rollout.terminated, rollout.truncated, 0.9, 0.8)
    target = advantage + values(old, rollout.observation)
    new = values(model, rollout.observation)
    error = torch.where(rollout.mask, new - target, 0.0)
    scale = 0.5 / (N if KINDS[kind] else T * N)
    wanted = (error * error).sum((0, 2)) * scale
    torch.testing.assert_close(found.loss.double(), wanted, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found.value.double(), new, rtol=1e-4, atol=1e-5)
    flat = model.flat.detach().double().requires_grad_()
    graph = mlp(model.net, flat, rollout.observation.transpose(0, 1).flatten(1, 2).double())
    slope = (2 * scale * error).transpose(0, 1).flatten(1, 2).unsqueeze(-1)
    (gradient,) = torch.autograd.grad(graph, flat, slope)
    torch.testing.assert_close(found.gradient.double(), gradient, rtol=1e-4, atol=1e-5)
    assert torch.equal(model.memory()[0], model.flat)  # the next target is made by this one


def test_an_unknown_target_is_refused():
    with pytest.raises(ConfigError, match=r"baseline\.target=froze: did you mean 'frozen'"):
        make(target="froze")


@pytest.mark.parametrize("complete", KINDS.values(), ids=KINDS)
def test_a_scheduled_coefficient_scales_each_replicas_gradient_and_loss(complete):
    rollout = random_rollout(2, complete)
    progress = torch.tensor([0.0, 0.5, 1.0], dtype=torch.float64)
    fading = make(coefficient={"start": 0.8, "end": 0.2})(replace(rollout, progress=progress))
    plain = make(coefficient=1.0)(rollout)
    share = torch.tensor([0.8, 0.5, 0.2])
    torch.testing.assert_close(fading.gradient, plain.gradient * share.unsqueeze(1))
    torch.testing.assert_close(fading.loss, plain.loss * share)
    assert torch.equal(fading.value, plain.value)
