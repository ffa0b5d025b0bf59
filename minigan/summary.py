"""The table of a network: its layers, the shapes of their outputs, and how many parameters they have."""

from collections.abc import Iterator, Sequence

from .errors import counted
from .layers import Layer
from .parameters import Slot


def table(net: Layer, slots: Sequence[Slot], state_slots: Sequence[Slot]) -> str:
    """A row for every layer, below it indented rows for those inside it, and the totals."""
    everything = [*slots, *state_slots]
    rows = [("layer", "output shape", "parameters"), *_rows(net, everything, "")]
    widths = [max(len(row[column]) for row in rows) for column in range(3)]
    lines = [f"{a:<{widths[0]}}  {b:<{widths[1]}}  {c:>{widths[2]}}" for a, b, c in rows]
    lines.insert(1, "-" * len(lines[0]))
    learned, kept = _size(slots), _size(state_slots)
    total = f"total {counted(learned + kept, 'parameter')}: {learned:,} trainable, {kept:,} not"
    return "\n".join([f"{net.name}  (input {net.input_shape})", *lines, lines[1], total])


def _rows(holder: Layer, slots: Sequence[Slot], indent: str) -> Iterator[tuple[str, str, str]]:
    for name, layer in holder.children().items():
        inside = [slot for slot in slots if slot.name.startswith(f"{layer.name}.")]
        yield f"{indent}{name}", str(layer.output_shape), f"{_size(inside):,}"
        yield from _rows(layer, inside, indent + "  ")


def _size(slots: Sequence[Slot]) -> int:
    return sum(slot.stop - slot.start for slot in slots)
