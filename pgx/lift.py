"""Any `torch.nn.Module` with a replica axis: one instance per seed, one flat parameter tensor.

Replicas are run one after the other, on one thread. Batching them with `torch.vmap` was measured
and given up: gradients of an MLP of odd widths, and both passes of a convolution, depended on who
else was in the batch. So they did on two threads, which split sums in a lone replica only.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.func import functional_call

from pgx.axes import padded
from pgx.errors import ConfigError
from pgx.nets import WIDTH, Frozen
from pgx.streams import Stream

KEY = "policy.network"
PROBES = 3  #: rows a module is tried on
Make = Callable[[], nn.Module]


@contextmanager
def one_thread() -> Iterator[None]:
    """Sums are not split over threads in here."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


@contextmanager
def drawing_from(seed: int) -> Iterator[None]:
    """torch draws from ``seed`` in here, and goes on as if nothing had been drawn."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        yield


class LiftedNet(nn.Module):
    """R instances of a module, f_r(x) = module(x; θ_r), as a network of pgx.

    Every instance is made under torch's generator seeded from its own seed's initialisation stream.
    Parameters that require no gradient, and buffers, stay as they were made.

    Args:
        make: makes an instance; it maps ``[B, *O]`` to ``[B, K]``, each row by itself.
        seeds: one seed per replica.
        shape: O, of an observation.
        outputs: K.
        meaning: what the outputs are, for messages.

    Attributes:
        flat: ``[R, P]``, every parameter, each tensor at an aligned place; padding is zero, gets no
            gradient and stays zero.

    Raises:
        ConfigError: the module does not map rows so, draws random numbers, or remembers rows.
    """

    def __init__(
        self, make: Make, seeds: Sequence[int], shape: Sequence[int], outputs: int, meaning: str
    ) -> None:
        super().__init__()
        self.shape = tuple(shape)
        words = Stream(seeds, "initialisation").bits(np.zeros((len(seeds), 1), np.int64), 1, 2)
        modules = []
        for high, low in words.reshape(-1, 2).tolist():
            with drawing_from(high << 32 | low):
                modules.append(_made(make))
        _check(modules[0], self.shape, outputs, meaning)
        self._template = (modules[0],)  # out of sight of nn.Module: its parameters are not used
        self._places: list[tuple[str, torch.Size, int]] = []
        count = 0
        for name, tensor in _trained(modules[0]).items():
            self._places.append((name, tensor.shape, count))
            count += padded(tensor.numel(), WIDTH)
        flat = torch.zeros(len(seeds), padded(count))
        for row, module in zip(flat, modules, strict=True):
            for name, tensor in _trained(module).items():
                self._views(row)[name].copy_(tensor.detach())
        self.flat = nn.Parameter(flat)
        self._fixed = list(_fixed(modules[0]))
        for index, name in enumerate(self._fixed):
            stacked = torch.stack([_fixed(module)[name].detach() for module in modules])
            self.register_buffer(f"fixed{index}", stacked)

    def _views(self, row: Tensor) -> dict[str, Tensor]:
        """The parameters of one replica, as views of its ``[P]``."""
        return {
            name: row[start : start + shape.numel()].view(shape)
            for name, shape, start in self._places
        }

    def replica(self, index: int, row: Tensor, observation: Tensor) -> Tensor:
        """``[B, in]`` to ``[B, K]`` of one replica with parameters ``row`` ``[P]``."""
        fixed = {n: self.get_buffer(f"fixed{i}")[index] for i, n in enumerate(self._fixed)}
        tensors = {**self._views(row), **fixed}
        seen = observation.clone().unflatten(1, self.shape)  # a copy begins at an aligned address
        return functional_call(self._template[0], tensors, (seen,))

    @torch.no_grad()
    def free(self) -> Tensor:
        """bool ``[P]``: all but padding."""
        found = torch.zeros_like(self.flat[0])
        for view in self._views(found).values():
            view.fill_(1.0)
        return found > 0

    def forward(self, rows: Tensor) -> Tensor:
        """``[R, B, in]`` to ``[R, B, K]``; B a multiple of `pgx.axes.LANES`."""
        if rows.requires_grad:
            raise ValueError("LiftedNet gives no gradient with respect to its input")
        return _Lifted.apply(rows, self.flat, self)

    @torch.no_grad()
    def frozen(self, flat: Tensor | None = None) -> Frozen:
        """The network, now or with parameters ``flat``, for passes without gradient, any B."""
        now = (self.flat.detach() if flat is None else flat).clone()

        def run(rows: Tensor) -> Tensor:
            with one_thread(), torch.no_grad():
                pairs = enumerate(zip(now, rows, strict=True))
                return torch.stack([self.replica(i, row, seen) for i, (row, seen) in pairs])

        return run


class _Lifted(torch.autograd.Function):
    """Every replica has a graph of its own, so that both passes run apart and on one thread."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor, flat: Tensor, net: LiftedNet) -> Tensor:
        ctx.leaves, ctx.outputs = [row.detach().requires_grad_() for row in flat], []
        with one_thread(), torch.enable_grad():
            for index, (leaf, observation) in enumerate(zip(ctx.leaves, rows, strict=True)):
                ctx.outputs.append(net.replica(index, leaf, observation))
        return torch.stack([output.detach() for output in ctx.outputs])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[None, Tensor, None]:
        with one_thread():
            pairs = zip(ctx.outputs, ctx.leaves, grad, strict=True)
            rows = [torch.autograd.grad(out, leaf, g.clone())[0] for out, leaf, g in pairs]
        return None, torch.stack(rows), None


def _made(make: Make) -> nn.Module:
    try:
        return make()
    except (TypeError, ValueError, RuntimeError) as error:  # it does not like its arguments
        text = " ".join(str(error).split())[:120]
        raise ConfigError(f"{KEY}: an instance cannot be made ({text})") from error


def _trained(module: nn.Module) -> dict[str, Tensor]:
    return {name: p for name, p in module.named_parameters() if p.requires_grad}


def _fixed(module: nn.Module) -> dict[str, Tensor]:
    still = {name: p for name, p in module.named_parameters() if not p.requires_grad}
    return {**still, **dict(module.named_buffers())}


def _check(module: nn.Module, shape: tuple[int, ...], outputs: int, meaning: str) -> None:
    """Try the module on a few rows: it must map each by itself, and again the same."""
    name = type(module).__name__
    for part in module.modules():
        if isinstance(part, nn.modules.lazy.LazyModuleMixin):
            raise ConfigError(f"{KEY}: {name} has a lazy layer; give its size")
        drops = isinstance(part, nn.modules.dropout._DropoutNd) and part.p > 0
        if drops or isinstance(part, nn.modules.batchnorm._BatchNorm):
            layer = type(part).__name__
            raise ConfigError(f"{KEY}: {name} has {layer}, which pgx does not lift; leave it out")
    if not _trained(module):
        raise ConfigError(f"{KEY}: {name} has no parameter to train")
    if odd := {str(t.dtype) for t in _trained(module).values()} - {"torch.float32"}:
        raise ConfigError(f"{KEY}: {name} has parameters of {odd.pop()}; they must be float32")
    probe = torch.linspace(-1.0, 1.0, PROBES * max(1, int(np.prod(shape)))).view(PROBES, *shape)
    answers, before = [], [tensor.clone() for tensor in _fixed(module).values()]
    for seed, rows in enumerate((probe, probe, probe.flip(0)[:-1])):
        with drawing_from(seed), torch.no_grad():
            answers.append(_tried(module, rows))
    wanted = f"give [B, {outputs}]: {meaning}"
    for answer, count in zip(answers, (PROBES, PROBES, PROBES - 1), strict=True):
        if not isinstance(answer, Tensor):
            raise ConfigError(f"{KEY}: {name} returns no tensor; it must {wanted}")
        if tuple(answer.shape) != (count, outputs):
            found = ", ".join(map(str, answer.shape[1:]))
            raise ConfigError(f"{KEY}: {name} gives [B, {found}]; it must {wanted}")
    answers = [answer.nan_to_num() for answer in answers]
    if not torch.equal(answers[0], answers[1]):
        raise ConfigError(f"{KEY}: {name} answers twice differently; pgx lifts no dropout or noise")
    if not torch.allclose(answers[0].flip(0)[:-1], answers[2], rtol=1e-3, atol=1e-4):
        raise ConfigError(f"{KEY}: {name} mixes the rows of a batch; each must stand alone")
    if not all(map(torch.equal, before, _fixed(module).values())):
        raise ConfigError(f"{KEY}: {name} changes its buffers; pgx lifts no running statistics")


def _tried(module: nn.Module, rows: Tensor) -> Any:
    try:
        return module(rows)
    except RuntimeError as error:  # torch's word for shapes that do not fit
        text = " ".join(str(error).split())[:90]
        size = list(rows.shape[1:])
        line = f"{KEY}: {type(module).__name__} does not take rows of {size} ({text})"
        raise ConfigError(line) from error
