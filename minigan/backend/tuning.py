"""Stub until the merge."""

from dataclasses import dataclass

from .cores import thread_count


@dataclass(frozen=True)
class Tuning:
    threads: int = 1
    block: int = 262_144
    smallest_block: int = 65_536
    many: int = 1_000_000

    @classmethod
    def of_this_machine(cls):
        return cls(threads=thread_count())
