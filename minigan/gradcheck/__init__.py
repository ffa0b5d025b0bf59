r"""Is a hand-written backward the derivative of its forward? Ask finite differences.

For a layer or a network f with input x and parameters w, draw a random upstream gradient v and compare what backward
returns for dy = v with

    d/dt <v, f(... t ...)>  =  ( <v, f(... t + h ...)> - <v, f(... t - h ...)> ) / 2h     for every number t in x and w

in float64, on a copy whose parameters are random (zero biases and unit gains hide mistakes). v must be random: with
v = 1 everywhere the true dx of BatchNorm is 0, and any nonsense proportional to it passes.

h = eps^(1/3) max(1, |t|) balances the error of the formula, of order h^2, against rounding, of order eps / h. Where a
corner of a ReLU lies between t - h and t + h, its mask differs, and h is made smaller; a wrong formula stays wrong.
docs/gradcheck.md says more.
"""

from .adjoint import check_adjoint
from .check import assert_gradients, check
from .curve import explain
from .numeric import numeric_gradient
from .report import KINK, NOTHING_TESTED, OK, TOO_SMALL, WRONG, GradientError, Report, Row

__all__ = [
    "KINK", "NOTHING_TESTED", "OK", "TOO_SMALL", "WRONG", "GradientError", "Report", "Row", "assert_gradients", "check",
    "check_adjoint", "explain", "numeric_gradient",
]  # fmt: skip
