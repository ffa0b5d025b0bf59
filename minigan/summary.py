"""The table of a network: its layers, the shapes of their outputs, and how many parameters they have."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from .layers import Layer

if TYPE_CHECKING:
    from .network import Sequential


def table(net: "Sequential") -> str:
    """A row for every layer, below it indented rows for those inside it, and the totals."""
    rows = [("layer", "output shape", "parameters"), *_rows(net, net, "")]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = [f"{a:<{widths[0]}}  {b:<{widths[1]}}  {c:>{widths[2]}}" for a, b, c in rows]
    lines.insert(1, "-" * len(lines[0]))
    learned, kept = net.params.size, net.state.size
    total = f"total {learned + kept:,} parameters: {learned:,} trainable, {kept:,} not"
    return "\n".join([f"{net.name}  (input {net.input_shape})", *lines, lines[1], total])


def _rows(net: "Sequential", holder: Layer, indent: str) -> Iterator[tuple[str, str, str]]:
    for name, layer in holder.children().items():
        inside = [slot for slot in net.slots + net.state_slots if slot.name.startswith(f"{layer.name}.")]
        yield f"{indent}{name}", str(layer.output_shape), f"{sum(slot.stop - slot.start for slot in inside):,}"
        yield from _rows(net, layer, indent + "  ")
