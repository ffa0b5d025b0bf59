"""A solution against a lab, in this process."""

import functools
from pathlib import Path

import numpy as np

from minigan.labs.catalogue import open_lab
from minigan.labs.child import checked
from minigan.labs.student import load

SOLUTIONS = Path(__file__).parent / "solutions"
FILE = "a student's file"


def solution(number):
    return (SOLUTIONS / f"lab{number}.py").read_text(encoding="utf-8")


@functools.cache
def start_of(number):
    lab = open_lab(number)
    return load(lab.start, "the start", lab.allow)


def source_of(number, code):
    """What students start from, and code below it: later definitions count."""
    return f"{open_lab(number).start}\n\n{code}"


@functools.lru_cache(maxsize=4)
def loaded(number, code):
    return load(source_of(number, code), FILE, open_lab(number).allow)


def result_of(number, name, code, student):
    """The result of one task."""
    lab = open_lab(number)
    (task,) = [task for task in lab.tasks if task.name == name]
    with np.errstate(all="ignore"):
        return checked(lab, task, loaded(number, code), start_of(number), student, FILE)
