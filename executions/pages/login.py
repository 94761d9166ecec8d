"""Logging in by name and password; wrong ones are slowed down as those of the REST API are."""

from typing import Any

from django.contrib.auth.views import LoginView, redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from rest_framework.exceptions import Throttled

from executions.api import auth


class Login(LoginView):
    template_name = "login.html"
    redirect_authenticated_user = True

    def post(self, request: HttpRequest, *arguments: Any, **named: Any) -> HttpResponse:
        key = f"{request.META.get('REMOTE_ADDR', '')} {request.POST.get('username', '')[:150]}"
        try:
            auth.throttle(key)
        except Throttled as refused:
            context = self.get_context_data(throttled=round(getattr(refused, "wait", None) or 60))
            return self.render_to_response(context, status=429)
        answer = super().post(request, *arguments, **named)
        if answer.status_code == 200:
            auth.count_failure(key)
        return answer


def admin_login(request: HttpRequest) -> HttpResponse:
    """The administration has no way in of its own: one form, one throttle. Who is in but no staff is told so."""
    if request.user.is_authenticated:
        raise PermissionDenied("The administration is for staff. Ask an administrator to make you staff.")
    return redirect_to_login(request.GET.get("next") or "/admin/")
