"""Timings against PyTorch: `python -m tests.benchmarks`."""
