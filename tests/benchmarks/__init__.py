"""Measures the speed of the product: `python -m tests.benchmarks --help`. Not part of `make test`."""
