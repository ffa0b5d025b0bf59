"""What is said to a person: as well as it can be printed, since what cannot be printed must end no work."""

import contextlib
import sys
from typing import Any, TextIO


def say(text: str, stream: TextIO | None = None) -> None:
    """Print a line to the stream, standard output by default, in the characters that it has; or not at all, where it is
    closed or full, or nobody reads it.
    """
    stream = sys.stdout if stream is None else stream
    with contextlib.suppress(Exception):  # of the system, or of what a notebook or a program without a console has
        encoding = getattr(stream, "encoding", None) or "utf-8"
        print(text.encode(encoding, "replace").decode(encoding), file=stream, flush=True)


def note(text: str) -> None:
    """One line on standard error, beside what a program prints."""
    say(text, sys.stderr)


def is_terminal(stream: Any) -> bool:
    """Whether a person looks at it: not where there is none, it is closed, or it cannot tell."""
    try:
        return bool(stream.isatty())
    except (AttributeError, ValueError, OSError):
        return False
