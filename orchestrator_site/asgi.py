"""The ASGI application: streams and the hot create route before Django, sockets by Channels, own lifespan."""

import os
from collections.abc import Awaitable, Callable, MutableMapping
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from django.core.asgi import get_asgi_application

from executions import garbage

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "orchestrator_site.settings")
django_application = get_asgi_application()

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]


def _optional(module: str, name: str) -> Any:
    package = module.rpartition(".")[0]
    if find_spec(package) is None or find_spec(module) is None:
        return None
    return getattr(import_module(module), name, None)


async def lifespan(scope: Scope, receive: Receive, send: Send) -> None:
    """Django refuses lifespan, so uvicorn is answered here."""
    while True:
        event = await receive()
        if event["type"] == "lifespan.startup":
            garbage.settle()
        await send({"type": f"{event['type']}.complete"})
        if event["type"] == "lifespan.shutdown":
            return


_front = _optional("executions.live.asgi", "front")
_sockets = _optional("executions.live.websocket", "urlpatterns") or []

application = ProtocolTypeRouter(
    {
        "http": _front(django_application) if _front else django_application,
        "websocket": AllowedHostsOriginValidator(URLRouter(_sockets)),
        "lifespan": lifespan,
    }
)
