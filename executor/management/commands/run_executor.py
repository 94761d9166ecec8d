"""`manage.py run_executor`: one executor process, until SIGTERM or SIGINT."""

import signal
import threading
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from executor import ringing
from executor.process import Executor


class Command(BaseCommand):
    help = "Apply messages to executions and hand out their tasks. Any number may run side by side."
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--threads", type=int, help="claim loops (EXECUTOR_THREADS)")

    def handle(self, *args: Any, **options: Any) -> None:
        stop = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stop.set())
        ringer = ringing.configured()
        if ringer is not None:
            ringer.start()
        executor = Executor(threads=options["threads"], ring=ringer)
        executor.start()
        # Python handles signals between waits of the main thread.
        while not stop.wait(1.0):
            pass
        executor.stop()
        if ringer is not None:
            ringer.stop()
