"""What is said to the person who waits for data."""

import sys


def note(message: str) -> None:
    """One line on stderr, beside what a program prints."""
    print(message, file=sys.stderr, flush=True)
