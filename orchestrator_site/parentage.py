"""Ends this process with its parent, however the parent dies. Standard library only."""

import ctypes
import os
import signal
import sys
import threading
import time

PR_SET_PDEATHSIG = 1
GRACE_SECONDS = 10.0
LOOK_SECONDS = 1.0


def end_with(parent: int) -> None:
    """SIGTERM as soon as the parent is gone, SIGKILL ten seconds later for a process that heeds it not."""
    ask_kernel_for(signal.SIGTERM)
    if os.getppid() != parent:  # it died before the kernel was asked
        os._exit(1)
    threading.Thread(target=_watch, args=[parent], daemon=True, name="parent-watch").start()


def ask_kernel_for(number: signal.Signals) -> None:
    """The signal this process gets when the thread that started it ends. Linux only."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(number))


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(LOOK_SECONDS)
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(GRACE_SECONDS)
    os.kill(os.getpid(), signal.SIGKILL)
