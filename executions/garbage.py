"""The garbage collector of a long-running process: what it loaded at its start is never looked through again."""

import gc

# Rows and messages are trees, freed by their counts: cycles are rare here, looking for them took a fifth of the CPU
# of a burst (docs/decisions/0009).
THRESHOLDS = (20_000, 20, 20)


def settle() -> None:
    """Called once, when everything is imported."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*THRESHOLDS)
