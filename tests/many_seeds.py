"""No false WRONG: `python -m tests.many_seeds 2000` checks the table of layers, and layers as people write them, with
that many different random numbers, and prints what is not OK.
"""

import sys
from collections.abc import Iterator

from minigan.gradcheck import Report, check, table

from .layers_of_people import RIGHT

FIRST = 1000


def checks(count: int) -> Iterator[Report]:
    """That many reports, each of another layer or of other numbers."""
    seed, made = FIRST, 0
    while True:
        for layer, x in [(case.layer, case.shape) for case in table.LAYERS] + [(kind(), None) for kind in RIGHT]:
            if made == count:
                return
            made += 1
            report = check(layer, x, seed=seed)
            report.notes.append(f"seed {seed}")
            yield report
        seed += 1


if __name__ == "__main__":
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else 2000
    bad = [report for report in checks(wanted) if not report]
    print(*bad, f"{wanted} checks of right layers: {len(bad)} not OK", sep="\n")
    raise SystemExit(bool(bad))
