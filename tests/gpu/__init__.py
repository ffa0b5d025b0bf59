"""What needs an NVIDIA GPU: `python -m tests.gpu`."""
