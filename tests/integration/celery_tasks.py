"""What an application that has Celery tasks already looks like: named in CELESTA_TASK_MODULES by the tests."""

import logging
import os
import signal
import subprocess
import time
from typing import Any

from celery import Celery, shared_task

shop = Celery("shop", set_as_current=False)


@shop.task(name="shop.price")
def price(amount: float, *, vat: float = 0.2) -> dict[str, float]:
    logging.getLogger(__name__).info("pricing %s", amount)
    print("printed")
    return {"net": amount, "gross": amount * (1 + vat)}


@shared_task(name="shop.refuse")
def refuse(reason: str) -> None:
    raise ValueError(f"refused: {reason}")


@shared_task(name="shop.spin", bind=True)
def spin(self: Any, pid_file: str) -> None:
    """Holds the interpreter for good, as C code does, and has a process of its own beside it."""
    other = subprocess.Popen(["sleep", "300"], start_new_session=True)
    with open(pid_file + ".new", "w") as file:
        file.write(f"{os.getpid()} {other.pid}")
    os.rename(pid_file + ".new", pid_file)
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    while True:
        time.sleep(3600)


@shared_task(name="shop.patient", bind=True, max_retries=2)
def patient(self: Any, wanted: int) -> dict[str, int]:
    """Succeeds at the try that is wanted; its countdown would take longer than any test."""
    if self.request.retries < wanted:
        raise self.retry(countdown=3600, exc=ValueError("not yet"))
    return {"retries": self.request.retries}


@shared_task(name="shop.thing")
def thing() -> object:
    return object()


@shared_task(name="shop.crash")
def crash() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@shared_task(name="shop.cyclic")
def cyclic() -> list[Any]:
    endless: list[Any] = []
    endless.append(endless)
    return endless


@shared_task(name="shop.whoami")
def whoami() -> int:
    return os.getpid()
