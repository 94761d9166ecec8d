"""`manage.py run_example`: runs the order flow once on a real order document and prints its outcome."""

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.urls import reverse

from orchestrator_site import example


class Command(BaseCommand):
    help = "Run flows/examples/order.yaml on flows/examples/order.json and print what comes out."

    def handle(self, *args: Any, **options: Any) -> None:
        outcome = example.run_order()
        namespace, flow = example.ORDER_FLOW
        self.stdout.write(f"order flow {outcome.state} in {outcome.seconds * 1000:.0f} ms ({namespace}.{flow})")
        for name, value in outcome.outputs.items():
            self.stdout.write(f"  {name + ':':<15} {value}")
        page = reverse("execution", args=[outcome.execution_id])
        self.stdout.write(f"  {'page:':<15} {settings.CELESTA.public_url}{page}")
        if outcome.state != "SUCCESS":
            raise CommandError(f"the order flow ended {outcome.state}; its page tells why")
