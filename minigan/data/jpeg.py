"""Is a JPEG file whole? Pillow keeps libjpeg's warnings to itself, and a file with a hole in it comes out grey below.

The data of a scan have no length and no checksum. But they must last exactly as long as the picture does. So libjpeg is
given a scan without the end mark behind which it would fill up with grey, and with a few bytes more than it may need:
if it asks for more, the data ended too soon; if it never came near the end, there were too many. (ITU-T T.81, annexes
B and F.)
"""

import io
import re
from dataclasses import dataclass, field

MARKER = re.compile(rb"\xff+[\x01-\xcf\xd8-\xfe]")  # in a scan's data: neither a stuffed FF nor a restart
RESTS = frozenset(range(0xD0, 0xD9)) | {0x01}  # markers without a length
BASELINE, PROGRESSIVE = (0xC0, 0xC1), 0xC2
FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
DHT, DAC, SOI, EOI, SOS = 0xC4, 0xCC, 0xD8, 0xD9, 0xDA
PADDING = b"\xff\x00" * 8  # ones, of which there is no code: libjpeg reads a few bytes ahead
SPARE = 64  # bytes that may be left over at the end of a scan
ZEROS, MORE_ZEROS = 64, 256  # zero bytes in a row: in coded data, and in bits that refine
TOO_MANY = "more data than the picture needs"


@dataclass
class Scan:
    """One pass over the picture: its components, which coefficients it brings, and where its data are."""

    components: list[tuple[int, int, int]]  # identity, Huffman table of DC, of AC
    first: int
    last: int
    refines: bool
    low_bit: int
    start: int
    end: int
    zero_code: dict[tuple[int, int], int]  # (0 for DC or 1 for AC, table): the symbol of a code of zeros


@dataclass
class Layout:
    """What the markers of a file say."""

    frame: int = 0
    components: list[int] = field(default_factory=list)
    scans: list[Scan] = field(default_factory=list)


class Feed(io.BytesIO):
    """The bytes of a file, never across `gate` in one go, so that `passed` says whether anybody read beyond."""

    def __init__(self, content: bytes, gate: int) -> None:
        super().__init__(content)
        self.gate, self.passed = gate, False

    def read(self, size: int | None = -1, /) -> bytes:
        """At most `size` bytes."""
        start = self.tell()
        if size is None or size < 0 or start < self.gate < start + size:
            size = self.gate - start if start < self.gate else -1
        self.passed = self.passed or start >= self.gate
        return super().read(size)

    def require_end(self) -> None:
        """Raise OSError if the picture was there long before the data ended."""
        if not self.passed:
            raise OSError(TOO_MANY)


def feed(content: bytes) -> Feed:
    """A file for Pillow to read `content` from. Raises OSError for what is damaged as far as can be seen before.

    Files that are not understood are handed on as they are: Pillow may say what is wrong with them.
    """
    whole = Feed(content, 0)
    try:
        layout = read_layout(content)
        is_complete = _is_complete(layout)
    except (IndexError, KeyError, ValueError):
        return whole
    if layout.frame not in (*BASELINE, PROGRESSIVE) or not layout.scans:
        return whole  # arithmetic codes, for which libjpeg must have all data at once
    if not is_complete:
        raise OSError("the last passes over the picture are missing")
    for scan in layout.scans:
        _require_no_hole(content, scan)
    (scan, *others) = layout.scans
    if others or layout.frame == PROGRESSIVE:
        return whole
    return Feed(content[: scan.end] + PADDING, max(scan.start, scan.end - SPARE))


def read_layout(content: bytes) -> Layout:
    """The markers of the picture, up to its end. Raises IndexError or ValueError for what is no JPEG file."""
    layout, tables, place = Layout(), dict[tuple[int, int], int](), 2
    while place + 4 <= len(content):
        if content[place] != 0xFF:
            raise ValueError("no marker")
        marker = content[place + 1]
        if marker == 0xFF or marker in RESTS:
            place += 1 if marker == 0xFF else 2
            continue
        if marker == EOI:
            break
        length = int.from_bytes(content[place + 2 : place + 4])
        body, place = content[place + 4 : place + 2 + length], place + 2 + length
        if marker == DHT:
            tables |= _zero_codes(body)
        elif marker in FRAMES:
            layout.frame = marker
            layout.components = [body[6 + 3 * i] for i in range(body[5])]
        elif marker == SOS:
            found = MARKER.search(content, place)
            end = found.start() if found else len(content)
            layout.scans.append(_scan(body, place, end, dict(tables)))
            place = end
    return layout


def _scan(body: bytes, start: int, end: int, tables: dict[tuple[int, int], int]) -> Scan:
    pairs = [(body[1 + 2 * i], body[2 + 2 * i]) for i in range(body[0])]
    first, last, bits = body[1 + 2 * body[0] : 4 + 2 * body[0]]
    components = [(identity, tables_of >> 4, tables_of & 15) for identity, tables_of in pairs]
    return Scan(components, first, last, bits >> 4 > 0, bits & 15, start, end, tables)


def _zero_codes(body: bytes) -> dict[tuple[int, int], int]:
    """Of every Huffman table, the symbol whose code is all zeros: the first one."""
    found, place = {}, 0
    while place < len(body):
        number = sum(body[place + 1 : place + 17])
        found[body[place] >> 4, body[place] & 15] = body[place + 17]
        place += 17 + number
    return found


def _is_complete(layout: Layout) -> bool:
    """Is every coefficient of every component there, to its last bit? Baseline scans bring all of a component."""
    low_bits = {component: [99] * 64 for component in layout.components}
    for scan in layout.scans:
        last = scan.last if layout.frame == PROGRESSIVE else 63
        for component, _, _ in scan.components:
            low_bits[component][scan.first : last + 1] = [scan.low_bit] * (last + 1 - scan.first)
    return not any(any(bits) for bits in low_bits.values())


def _require_no_hole(content: bytes, scan: Scan) -> None:
    """No long row of zero bytes where zeros would mean that coefficients do not vanish, in block after block."""
    if scan.last == 0:
        return  # DC alone: zeros are an even area
    ends_block = all(_ends_block(scan.zero_code.get((1, table), 0)) for _, _, table in scan.components)
    if ends_block and not scan.refines:
        return  # an even area as well
    if content.find(bytes(MORE_ZEROS if scan.refines else ZEROS), scan.start, scan.end) >= 0:
        raise OSError("a hole: zeros in place of data")


def _ends_block(symbol: int) -> bool:
    """Whether a symbol of AC says that the rest of the block, or of blocks, is zero."""
    return symbol & 15 == 0 and symbol != 0xF0
