"""Any module as a policy: the same numbers as the modules themselves, and refusals in one line."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import numpy as np
import polars as pl
import pytest
import torch
from torch import nn

from pgx.errors import ConfigError
from pgx.policies.lifted import Lifted
from pgx.streams import Stream
from pgx.types import EnvSpec
from tests.conftest import Train
from tests.support.rollouts import SEEDS

R, B, A = len(SEEDS), 64, 3
SHAPES = {"mlp": (5,), "norm": (5,), "conv": (3, 6, 7)}


class MLP(nn.Module):
    def __init__(self, inputs: int, outputs: int, width: int = 33, norm: bool = False) -> None:
        super().__init__()
        self.first, self.last = nn.Linear(inputs, width), nn.Linear(width, outputs)
        self.norm = nn.LayerNorm(width) if norm else nn.Identity()

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        return self.last(torch.tanh(self.norm(self.first(rows))))


class Conv(nn.Module):
    def __init__(self, observation_shape: tuple[int, ...], outputs: int) -> None:
        super().__init__()
        channels, height, width = observation_shape
        self.convolution = nn.Conv2d(channels, 5, 3)
        self.last = nn.Linear(5 * (height - 2) * (width - 2), outputs)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        return self.last(torch.relu(self.convolution(rows)).flatten(1))


MAKE = {"mlp": partial(MLP), "norm": partial(MLP, norm=True), "conv": partial(Conv)}


def spec(shape: tuple[int, ...] = (5,), kind: str = "discrete", actions: int = A) -> EnvSpec:
    return EnvSpec("made-up", shape, kind, actions)


def make(name: str = "mlp", seeds=SEEDS, kind: str = "discrete") -> Lifted:
    return Lifted(spec(SHAPES[name], kind), seeds, MAKE[name])


def rows(name: str, batch: int = B) -> torch.Tensor:
    return torch.randn(R, batch, *SHAPES[name], generator=torch.Generator().manual_seed(0))


def instances(policy: Lifted, name: str) -> list[nn.Module]:
    """Plain modules with the parameters of every replica."""
    found = []
    for row in policy.flat.detach():
        fill = {"inputs": 5} if name != "conv" else {"observation_shape": SHAPES[name]}
        module = MAKE[name](**fill, outputs=policy.outputs)
        module.load_state_dict(policy.net._views(row))
        found.append(module)
    return found


@pytest.mark.parametrize("kind", ["discrete", "continuous"])
@pytest.mark.parametrize("name", SHAPES)
def test_outputs_and_gradients_are_those_of_the_modules(name, kind):
    policy, observation = make(name, kind=kind), rows(name)
    assert policy.outputs == (A if kind == "discrete" else 2 * A)
    outputs = policy(observation)
    slope = torch.randn(outputs.shape, generator=torch.Generator().manual_seed(1))
    (found,) = torch.autograd.grad(outputs, policy.flat, slope)
    for r, module in enumerate(instances(policy, name)):
        wanted = module(observation[r])
        torch.testing.assert_close(outputs[r], wanted)
        torch.testing.assert_close(policy.net.frozen()(observation.flatten(2))[r], wanted)
        wanted.backward(slope[r])
        for key, piece in policy.net._views(found[r]).items():
            torch.testing.assert_close(piece, module.get_parameter(key).grad)
    real = sum(p.numel() for p in module.parameters())
    assert (found != 0).sum(1).max() <= real < policy.flat.shape[1]  # padding gets no gradient


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("name", SHAPES)
def test_a_replica_alone_equals_itself_among_others(name, threads):
    before, observation = torch.get_num_threads(), rows(name, 1024)
    few = rows(name, 7)
    slope = torch.randn(R, 1024, A, generator=torch.Generator().manual_seed(1))
    try:
        torch.set_num_threads(threads)
        policy = make(name)
        among = policy(observation)
        (gradient,) = torch.autograd.grad(among, policy.flat, slope)
        acting = policy.net.frozen()(few.flatten(2))
        assert torch.get_num_threads() == threads
        torch.set_num_threads(1)
        for r, seed in enumerate(SEEDS):
            alone, one = make(name, [seed]), slice(r, r + 1)
            assert torch.equal(alone.flat[0], policy.flat[r])
            outputs = alone(observation[one].clone())
            assert torch.equal(outputs[0], among[r])
            (found,) = torch.autograd.grad(outputs, alone.flat, slope[one].clone())
            assert torch.equal(found[0], gradient[r])
            assert torch.equal(alone.net.frozen()(few[one].flatten(2).clone())[0], acting[r])
    finally:
        torch.set_num_threads(before)


def test_what_happens_to_replica_1_stays_there():
    policy, observation = make("norm"), rows("norm")
    clean = policy(observation)
    (before,) = torch.autograd.grad(clean.sum(), policy.flat)
    observation[1, 3] = torch.nan
    broken = policy(observation)
    (after,) = torch.autograd.grad(broken.sum(), policy.flat)
    assert torch.equal(clean[[0, 2]], broken[[0, 2]]) and torch.equal(before[[0, 2]], after[[0, 2]])
    assert after[1].isnan().any()


def test_instances_start_apart_as_the_class_would_and_touch_no_global_state():
    torch.manual_seed(4)
    before = torch.get_rng_state()
    policy = make()
    assert torch.equal(before, torch.get_rng_state())
    torch.manual_seed(5)
    assert torch.equal(make().flat, policy.flat)
    assert not torch.allclose(policy.flat[0], policy.flat[1])
    weight = policy.net._views(policy.flat[0])["first.weight"]
    assert weight.shape == (33, 5) and 0.4 < weight.abs().max() < 5**-0.5  # U(±1/√5)


@pytest.mark.parametrize("kind", ["discrete", "continuous"])
def test_the_head_is_the_distribution_of_the_actions(kind):
    policy, observation = make(kind=kind), rows("mlp")
    noise = policy.noise(Stream(SEEDS, "noise"), np.zeros((R, B), np.int64), 1)[:, 0]
    with torch.inference_mode():
        action, outputs = policy.actor()(observation, noise)
    if kind == "discrete":
        assert (action == (outputs + noise).argmax(-1)).all()
        truth = torch.distributions.Categorical(logits=torch.from_numpy(outputs))
        log_prob = truth.log_prob(torch.from_numpy(action))
    else:
        mean, log_std = torch.from_numpy(outputs).chunk(2, -1)
        truth = torch.distributions.Normal(mean, log_std.exp())
        log_prob = truth.log_prob(torch.from_numpy(action)).sum(-1)
    found = policy.log_prob(torch.from_numpy(outputs), torch.from_numpy(action))
    torch.testing.assert_close(found, log_prob, rtol=1e-4, atol=1e-5)


class Fixed(MLP):
    """Features of its own draw, which do not learn."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__(inputs, outputs)
        self.register_buffer("shift", torch.randn(inputs))
        self.first.weight.requires_grad_(False)

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        return super().forward(rows + self.shift)


def test_buffers_and_parameters_without_gradient_stay_each_replicas_own():
    policy, observation = Lifted(spec(), SEEDS, partial(Fixed)), rows("mlp")
    assert set(policy.net._views(policy.flat[0])) == {"first.bias", "last.weight", "last.bias"}
    fixed = list(policy.net.buffers())
    assert [tuple(tensor.shape) for tensor in fixed] == [(R, 33, 5), (R, 5)]
    assert not torch.equal(fixed[1][0], fixed[1][1])
    views = policy.net._views(policy.flat[1])
    hidden = torch.tanh((observation[1] + fixed[1][1]) @ fixed[0][1].T + views["first.bias"])
    wanted = hidden @ views["last.weight"].T + views["last.bias"]
    torch.testing.assert_close(policy(observation)[1], wanted)


class Buggy(nn.Module):
    """One of the things that are not lifted."""

    def __init__(self, inputs: int, outputs: int, fault: str) -> None:
        super().__init__()
        self.fault, self.linear = fault, nn.Linear(inputs, outputs)
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, rows: torch.Tensor) -> torch.Tensor | list[torch.Tensor]:
        answer = self.linear(rows)
        if self.fault == "noise":
            answer = nn.functional.dropout(answer, 0.5)
        elif self.fault == "mixes":
            answer = answer - answer.mean(0)
        elif self.fault == "remembers":
            self.seen += 1
        return [answer] if self.fault == "list" else answer


class Normed(MLP):
    def __init__(self, inputs: int, outputs: int, layer: str) -> None:
        super().__init__(inputs, outputs)
        kinds = {"Dropout": nn.Dropout(), "BatchNorm1d": nn.BatchNorm1d(33)}
        if layer not in kinds:
            raise ValueError(f"no layer {layer}")
        self.norm = kinds[layer]


REFUSED = {
    "wrong K": (
        partial(nn.Linear, 5, 4),
        r"gives \[B, 4\]; it must give \[B, 3\]: the logits of 3",
    ),
    "bad argument": (partial(Normed, layer="Droput"), "an instance cannot be made"),
    "negative size": (partial(MLP, width=-3), "an instance cannot be made .*negative"),
    "wrong input": (partial(nn.Linear, 6, 3), r"Linear does not take rows of \[5\]"),
    "dropout": (partial(Normed, layer="Dropout"), "has Dropout"),
    "batch norm": (partial(Normed, layer="BatchNorm1d"), "has BatchNorm1d"),
    "noise": (partial(Buggy, fault="noise"), "answers twice differently"),
    "mixes": (partial(Buggy, fault="mixes"), "mixes the rows"),
    "remembers": (partial(Buggy, fault="remembers"), "changes its buffers"),
    "list": (partial(Buggy, fault="list"), "returns no tensor"),
    "lazy": (partial(nn.LazyLinear), "has a lazy layer"),
    "no parameters": (partial(nn.Identity), "has no parameter"),
    "no such argument": (partial(MLP, widht=3), r"policy\.network\.widht is not a key: .*'width'"),
    "missing argument": (partial(Buggy), "Buggy: missing a required argument: 'fault'"),
    "double": (partial(nn.Linear, dtype=torch.float64), "torch.float64; they must be float32"),
    "a module": (nn.Linear(5, 3), r"policy\.network\._partial_: must be true"),
    "modules in modules": (partial(nn.Sequential, nn.Linear(5, 3)), "an argument is a module"),
    "no module": (partial(dict), r"policy\.network\._target_: name a subclass"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_lifted_is_refused_in_one_line(name):
    network, said = REFUSED[name]
    with pytest.raises(ConfigError, match=said) as caught:
        Lifted(spec(), SEEDS, network)
    assert "\n" not in str(caught.value) and str(caught.value).startswith("policy.network")


def test_continuous_actions_need_mean_and_log_std():
    with pytest.raises(ConfigError, match=r"gives \[B, 3\]; it must give \[B, 6\]: mean and log σ"):
        Lifted(spec(kind="continuous"), SEEDS, partial(nn.Linear, 5, 3))


def test_sizes_the_user_gives_are_kept():
    with pytest.raises(ConfigError, match=r"gives \[B, 8\]"):
        Lifted(spec(), SEEDS, partial(nn.Linear, out_features=8))
    assert Lifted(spec(), SEEDS, partial(nn.Linear)).net._views(torch.zeros(64))[
        "weight"
    ].shape == (3, 5)


SOURCE = """
import torch

class Mine(torch.nn.Module):
    def __init__(self, inputs, outputs, width):
        super().__init__()
        self.body = torch.nn.Sequential(
            torch.nn.Linear(inputs, width), torch.nn.LayerNorm(width), torch.nn.Tanh(),
            torch.nn.Linear(width, outputs),
        )

    def forward(self, rows):
        return self.body(rows)
"""
MINE = (
    "experiment=a2c",
    "policy=lifted",
    "policy.network._target_=mine.Mine",
    "+policy.network.width=33",
    "allow_targets=[mine]",
    "threads=2",
)


def test_a_class_of_the_users_learns_and_a_seed_is_its_own(train: Train, tmp_path: Path):
    (tmp_path / "mine.py").write_text(SOURCE)
    train(*MINE, "decisions=60000", "seeds=3", "output=among")
    train(*MINE, "decisions=60000", "seeds=[1]", "output=alone")
    rows = {
        name: pl.read_parquet(next((tmp_path / name).rglob("episodes.parquet"))).drop("wall_s")
        for name in ("among", "alone")
    }
    assert rows["among"].filter(pl.col("seed") == 1).equals(rows["alone"])
    last = rows["among"].filter(pl.col("decisions") > 45_000)
    assert last.group_by("seed").agg(pl.mean("return_raw"))["return_raw"].min() > 60


def test_only_what_is_allowed_is_imported(train: Train, tmp_path: Path):
    (tmp_path / "mine.py").write_text(SOURCE)
    said = train(*MINE[:4], status=2).stderr
    assert "policy.network._target_=mine.Mine" in said and "allow_targets=[mine]" in said
    assert not (tmp_path / "outputs").exists()


def test_dropout_that_drops_nothing_and_attention_are_lifted():
    class Attention(nn.Module):
        def __init__(self, inputs: int, outputs: int) -> None:
            super().__init__()
            self.layer = nn.TransformerEncoderLayer(4, 2, 8, dropout=0.0, batch_first=True)
            self.embed, self.last = nn.Linear(1, 4), nn.Linear(4 * inputs, outputs)

        def forward(self, rows: torch.Tensor) -> torch.Tensor:
            return self.last(self.layer(self.embed(rows.unsqueeze(-1))).flatten(1))

    policy, observation = Lifted(spec(), SEEDS, partial(Attention)), rows("mlp")
    outputs = policy(observation)
    (found,) = torch.autograd.grad(outputs.square().sum(), policy.flat)
    for r, seed in enumerate(SEEDS):
        alone = Lifted(spec(), [seed], partial(Attention))
        again = alone(observation[r : r + 1].clone())
        assert torch.equal(again[0], outputs[r])
        (one,) = torch.autograd.grad(again.square().sum(), alone.flat)
        assert torch.equal(one[0], found[r])
