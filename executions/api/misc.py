"""What clients ask of the instance itself: configuration, ping, usage."""

import uuid
from typing import Any

from django.conf import settings
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import PermissionDenied, ValidationError
from django.db.models import Count
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from executions.api import auth, forms
from executions.models import ExecutionRecord
from flows.access import Role
from flows.api.errors import Unprocessable
from flows.models import FlowRecord

# The dialect that we claim: the official clients choose theirs by it.
SERVED_VERSION = "1.3.0"


def instance_id() -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, settings.SECRET_KEY))


class ConfigsView(APIView):
    """GET /configs: open to every signed-in caller."""

    def get(self, request: Request, **_: Any) -> Response:
        return Response(
            {
                "uuid": instance_id(),
                "version": SERVED_VERSION,
                "edition": "OSS",
                "commitId": "celesta",
                "isCustomDashboardsEnabled": True,
                "isTaskRunEnabled": True,
                "isAnonymousUsageEnabled": False,
                "isUiAnonymousUsageEnabled": False,
                "isTemplateEnabled": True,
                "isAiEnabled": False,
                "isBasicAuthEnabled": True,
                "isBasicAuthInitialized": True,
                "isConcurrencyViewEnabled": True,
                "environment": {},
                "url": settings.CELESTA.public_url,
                "preview": {"initial": 100, "max": 5000},
                "systemNamespace": "system",
                "hiddenLabelsPrefixes": ["system."],
                "pluginsHash": 0,
                "chartDefaultDuration": "P30D",
            }
        )


class LoginConfigsView(APIView):
    """GET /configs/login: what a login page must know; tells nothing about the instance."""

    permission_classes = [AllowAny]
    authentication_classes: list[Any] = []
    public = True

    def get(self, request: Request, **_: Any) -> Response:
        return Response({"isBasicAuthEnabled": True, "isBasicAuthInitialized": True})


class BasicAuthView(APIView):
    """POST /basicAuth `{username, password}`: the caller's own password. Kestra's only account is its administrator."""

    roles = {"POST": Role.VIEWER}

    def post(self, request: Request, **_: Any) -> Response:
        body = forms.json_body(request.body)
        name, password = (body.get(key) if isinstance(body, dict) else None for key in ("username", "password"))
        if not isinstance(name, str) or not isinstance(password, str):
            raise Unprocessable("Invalid entity: username and password are required")
        user: Any = request.user
        if isinstance(request.successful_authenticator, auth.HeaderAuthentication) and not auth.is_basic(request):
            raise PermissionDenied("A password is not set with a token, which may do less than its owner")
        if name != user.get_username():
            raise Unprocessable("Illegal argument: only the password of the account in use can be set here")
        try:
            validate_password(password, user)
        except ValidationError as error:
            raise Unprocessable(f"Invalid entity: password: {' '.join(error.messages)}") from None
        user.set_password(password)
        user.save(update_fields=["password"])
        auth.forget()
        return Response(status=204)


class BasicAuthErrorsView(APIView):
    """GET /basicAuthValidationErrors: nothing is wrong with the accounts of an instance that answers."""

    def get(self, request: Request, **_: Any) -> Response:
        return Response([])


class UsagesView(APIView):
    roles = {"GET": Role.ADMIN}

    def get(self, request: Request, **_: Any) -> Response:
        counts = ExecutionRecord.objects.values("state").annotate(count=Count("id"))
        flows = FlowRecord.objects.filter(latest=True, deleted=False)
        return Response(
            {
                "flows": {
                    "count": flows.count(),
                    "namespacesCount": flows.values("namespace").distinct().count(),
                },
                "executions": {"executionCounts": {row["state"]: row["count"] for row in counts}},
            }
        )
