"""The table of layers and losses, which `minigan gradcheck --all` shares: every harness runs over all of them."""

import inspect

from minigan.gradcheck.table import LAYERS, LOSSES, Case

CASES = LAYERS
LOSS_CASES = [(case.loss, case.pred, case.labels) for case in LOSSES]

__all__ = ["CASES", "LOSS_CASES", "Case", "public_classes"]


def public_classes(module, base):
    """Every class of a module that a user can build."""
    found = {kind for _, kind in inspect.getmembers(module, inspect.isclass)}
    return {kind for kind in found if issubclass(kind, base) and kind is not base}
