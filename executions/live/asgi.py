"""What stands before Django in a web process: event streams and the hot create route; all else goes on to Django."""

import re
from contextlib import suppress
from functools import partial
from typing import Any

from django.conf import settings
from django.utils.module_loading import import_string

from executions.api.control import ACTIONS
from executions.live.create import Create
from executions.live.dependencies import follow_dependencies
from executions.live.events import follow_events
from executions.live.http import Application, Disconnected, Receive, Scope, Send, patient
from executions.live.sse import follow_execution, follow_logs

# All of these are GET. The first group is what is followed.
STREAMS = (
    (re.compile(r"/api/v1/(?:main/)?executions/([^/]+)/follow"), follow_execution),
    (re.compile(r"/api/v1/(?:main/)?executions/([^/]+)/follow-dependencies"), follow_dependencies),
    (re.compile(r"/api/v1/(?:main/)?logs/([^/]+)/follow"), follow_logs),
    (re.compile(r"/events/?"), follow_events),
)
_CREATE = re.compile(r"/api/v1/(?:main/)?executions/(?:trigger/)?([^/]+)/([^/]+)")
# Second parts of `/executions/{id}/…` and first parts of `/executions/…/by-ids`: no flows, no namespaces.
_WORDS = {
    *ACTIONS,
    "eval",
    "file",
    "graph",
    "flow",
    "follow",
    "follow-dependencies",
    "actions",
    "by-ids",
    "by-query",
}


def front(django: Application) -> Application:
    """`describe` of the site's exception handler is looked up by name: the site is a layer above."""
    describe = import_string(str(settings.REST_FRAMEWORK["EXCEPTION_HANDLER"]).rpartition(".")[0] + ".describe")
    create = Create(django, describe)

    async def application(scope: Scope, receive: Receive, send: Send) -> None:
        path, method = scope["path"], scope["method"]
        if path.startswith("/api/") and path.endswith("/"):
            # Kestra's server takes an address with a slash at its end for the same.
            path = path.rstrip("/")
            scope = {**scope, "path": path, "raw_path": path.encode()}
        if method == "GET" and (stream := _stream(path)):
            await stream(scope, receive, send)
        elif method == "POST" and (found := _CREATE.fullmatch(path)) and not _WORDS & {found[1], found[2]}:
            await create(scope, receive, send, found[1], found[2])
        else:
            with suppress(Disconnected):
                await django(scope, receive, patient(send))

    return application


def _stream(path: str) -> Application | None:
    for pattern, follow in STREAMS:
        if found := pattern.fullmatch(path):
            return partial(_follow, follow, found.groups())
    return None


async def _follow(follow: Any, arguments: tuple[str, ...], scope: Scope, receive: Receive, send: Send) -> None:
    await follow(scope, receive, send, *arguments)
