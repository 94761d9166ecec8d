"""What stands before Django in a web process: event streams and the hot create route; all else goes on to Django."""

import re

from django.conf import settings
from django.utils.module_loading import import_string

from executions.api.control import ACTIONS
from executions.live.create import Create
from executions.live.events import follow_events
from executions.live.http import Application, Receive, Scope, Send
from executions.live.sse import follow_execution, follow_logs

_FOLLOW = re.compile(r"/api/v1/(?:main/)?(executions|logs)/([^/]+)/follow")
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
        if method == "GET" and (found := _FOLLOW.fullmatch(path)):
            follow = follow_execution if found[1] == "executions" else follow_logs
            await follow(scope, receive, send, found[2])
        elif method == "GET" and path in ("/events", "/events/"):
            await follow_events(scope, receive, send)
        elif method == "POST" and (found := _CREATE.fullmatch(path)) and not _WORDS & {found[1], found[2]}:
            await create(scope, receive, send, found[1], found[2])
        else:
            await django(scope, receive, send)

    return application
