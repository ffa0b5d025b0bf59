"""The check of a milestone: a number that the student's own code has to reach, with two of three seeds."""

from collections.abc import Callable
from dataclasses import dataclass

from .task import Question, Wrong

SEEDS, NEEDED = (0, 1, 2), 2


@dataclass(frozen=True)
class Milestone:
    """Luck may fail one of three.

    reached   from the question and a seed, the number that counts
    target    how large it has to be, or, with `below`, how small
    what      the number in words: "modes of 8"
    known     what the number was with twenty seeds, in words
    """

    reached: Callable[[Question, int], float]
    target: float
    what: str
    known: str
    below: bool = False

    def __call__(self, question: Question) -> None:
        """Raises Wrong with the numbers of all seeds that were tried."""
        numbers: list[str] = []
        good = 0
        for seed in SEEDS:
            number = self.reached(question, seed)
            good += (number <= self.target) if self.below else (number >= self.target)
            numbers.append(f"{number:.4g} with seed {seed}")
            if good == NEEDED:
                return
            if len(numbers) - good > len(SEEDS) - NEEDED:
                break
        raise Wrong(
            f"{question.name} reached {', '.join(numbers)}; wanted {'at most' if self.below else 'at least'} "
            f"{self.target:g} ({self.what}) with {NEEDED} of the seeds {', '.join(map(str, SEEDS))}. {self.known}"
        )
