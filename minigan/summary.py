"""The table of a network: layers, shapes, parameters; and that of the ways in which convolutions are computed."""

from collections.abc import Iterator, Sequence

from .backend.base import Description
from .errors import counted
from .layers import Conv2DTranspose, Layer, UpSamplingConv2D
from .layers.conv import Convolution
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


def ways_table(net: Layer, n: int) -> str:
    """A row for the output and both gradients of every convolution, for a batch of n images; and why these ways."""
    found = [(layer, *_described(layer, n)) for layer in net.walk() if isinstance(layer, Convolution)]
    title = f"{net.name}  ({counted(n, 'image')}, backend {net.backend.name})"
    if not found:
        return f"{title}\nhas no convolutions: its layers are products, each one call of the BLAS"
    rows = [("layer", "", "way", "multiplications", "of plain ones")]
    for layer, *described in found:
        for what, way in zip(("y", "dW", "dx"), described, strict=True):
            share = f"{way.multiplications / way.plain:.2f}"
            rows.append((layer.name if what == "y" else "", what, way.way, f"{way.multiplications:,}", share))
    widths = [max(len(row[column]) for row in rows) for column in range(5)]
    sides = "<<<>>"
    lines = [
        "  ".join(f"{cell:{side}{width}}" for cell, side, width in zip(row, sides, widths, strict=True)).rstrip()
        for row in rows
    ]
    line = "-" * max(map(len, lines))
    reasons = {f"{way.way}: {way.why}": None for _, *described in found for way in described}
    return "\n".join([title, lines[0], line, *lines[1:], line, *reasons])


def _described(layer: Convolution, n: int) -> tuple[Description, Description, Description]:
    """How y, dW and dx of a convolution are computed. Where pixels of x add patches to y, y is the dx of the window."""
    adds = isinstance(layer, Conv2DTranspose | UpSamplingConv2D)
    conv, conv_dx, conv_dW = layer.backend.describe(layer.window, n, layer.input_shape[-1] if adds else layer.c_out)
    return (conv_dx, conv_dW, conv) if adds else (conv, conv_dW, conv_dx)
