"""What a check draws: sizes and numbers, as a function of the student's id, the task and the count."""

import hashlib

import numpy as np


class Draw:
    """Sizes and numbers of one input.

    words    decide all of it: the same words, the same sizes and numbers
    n        samples, rows of the batch
    factor   how many times larger every size is than it would be: to see how the work grows
    """

    def __init__(self, words: str, n: int, factor: int = 1) -> None:
        digest = hashlib.sha256(words.encode()).digest()
        self.rng = np.random.Generator(np.random.Philox(key=int.from_bytes(digest[:16], "big")))
        self.n, self.factor = n, factor

    def size(self, low: int, high: int) -> int:
        """A length from low to high, such as a number of columns, times the factor."""
        return self.fixed(low, high) * self.factor

    def fixed(self, low: int, high: int) -> int:
        """A whole number from low to high that does not grow, such as the length of a kernel."""
        return int(self.rng.integers(low, high, endpoint=True))

    def normal(self, *shape: int) -> np.ndarray:
        """Numbers of N(0, 1)."""
        return self.rng.normal(size=shape)

    def uniform(self, low: float, high: float, *shape: int) -> np.ndarray:
        """Numbers from low to high."""
        return self.rng.uniform(low, high, size=shape)

    def choice(self, values: np.ndarray | list[float], *shape: int) -> np.ndarray:
        """Some of these, each as likely as the others."""
        return self.rng.choice(values, size=shape)

    def number(self, low: float, high: float) -> float:
        """One number from low to high."""
        return float(self.rng.uniform(low, high))
