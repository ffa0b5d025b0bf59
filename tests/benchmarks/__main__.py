"""`python -m tests.benchmarks`: see step.py."""

from tests.benchmarks.step import main

main()
