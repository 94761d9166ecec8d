"""Logging in by name and password; wrong ones are slowed down as those of the REST API are."""

from typing import Any

from django.contrib.auth.views import LoginView
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
