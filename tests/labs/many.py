"""Right solutions for many students, and typical wrong ones: `python -m tests.labs.many 200 [LAB ...]`."""

import importlib
import sys

from minigan.labs.catalogue import NUMBERS, open_lab
from minigan.labs.task import SECONDS

from .judge import result_of, solution


def failures(number, students):
    """What should not be: a right solution without its points, a wrong one with them. Milestones are left out."""
    found, right = [], solution(number)
    quick = [task.name for task in open_lab(number).tasks if task.seconds <= SECONDS / 2]
    for k in range(students):
        for task in quick:
            result = result_of(number, task, right, f"student {k}")
            if result.message:
                found.append(f"{number} {task}, student {k}: the right solution: {result.message}")
    for task, piece, instead in importlib.import_module(f".wrong_{number}", __package__).WRONG:
        wrong = right.replace(piece, instead, 1) if piece else f"{right}\n\n{instead}"
        for k in range(students if task in quick else 0):
            if not result_of(number, task, wrong, f"student {k}").message:
                found.append(f"{number} {task}, student {k}: passed with {instead!r}")
    return found


if __name__ == "__main__":
    total = 0
    for number in sys.argv[2:] or NUMBERS:
        found = failures(number, int(sys.argv[1]))
        print(f"lab {number}: {len(found)} failures", *found[:10], sep="\n  ", flush=True)
        total += len(found)
    sys.exit(bool(total))
