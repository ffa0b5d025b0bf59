"""What right solutions of the milestones reach: `python -m tests.labs.milestones 04 [SEEDS]`. Labs quote it."""

import sys

import numpy as np

from minigan.labs.catalogue import open_lab
from minigan.labs.milestone import Milestone
from minigan.labs.task import Question

from .judge import loaded, solution, start_of


def numbers(number, seeds):
    """(task, seed, what was reached), for each milestone of a lab."""
    student = loaded(number, solution(number))
    for task in open_lab(number).tasks:
        if isinstance(task.check, Milestone):
            question = Question(task.name, student[task.name], student, start_of(number), f"milestone {task.name}")
            for seed in range(seeds):
                yield task, seed, task.check.reached(question, seed)


if __name__ == "__main__":
    np.seterr(all="ignore")
    for task, seed, reached in numbers(sys.argv[1], int(sys.argv[2]) if sys.argv[2:] else 20):
        print(f"{task.name}, seed {seed}: {reached:.4g}; wanted {task.check.target:g}", flush=True)
