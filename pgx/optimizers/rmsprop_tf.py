"""RMSProp, as TensorFlow, A3C and A2C write it."""

from __future__ import annotations

from torch import Tensor

from pgx.optimizers.rmsprop import RMSProp


class RMSPropTF(RMSProp):
    """A gradient divided by the root of its running mean square plus ε.

        v ← α v + (1 − α) g²,   θ ← θ − lr · g / √(v + ε),   v = 1 at the start

    Source: Mnih et al. 2016, arXiv 1602.01783, eq. S2 and S3, for ε inside the root. Beginning at 1
    is TensorFlow's: first steps are small instead of of length lr / √(1 − α). A2C's published
    results depend on both.

    Args:
        parameter: ``[R, P]``.
        decay: α, in [0, 1).
        epsilon: ε.
        **rates: the learning rates of `Optimizer`.
    """

    initial_square = 1.0

    def denominator(self, square: Tensor) -> Tensor:
        return (square + self.epsilon).sqrt_()
