"""Incoming webhooks of chat services (Slack's form and others): a JSON payload sent by POST."""

from typing import Any

import orjson

from flows.expressions.taint import reveal
from flows.tasks.base import Json, RunContext, RunnableTask, TaskFailure
from flows.tasks.core import http_call
from flows.tasks.core.http import Options
from flows.tasks.core.http_call import Line, Question, Settings
from flows.tasks.core.rendering import duration, mapping, required, switch, text
from flows.tasks.notifications.execution_facts import COLORS, AboutExecution

SECONDS = 30.0


class Webhook(RunnableTask):
    url: str
    options: Options | None = None

    def post(self, context: RunContext, payload: Json, headers: dict[str, str] | None = None) -> None:
        """Raises TaskFailure for anything but an answer below 400. The address may be a secret: it is not told."""
        line = Line()
        context.on_kill(line.cut)
        body = payload if isinstance(payload, str) else orjson.dumps(reveal(payload), default=str).decode()
        sent = {"Content-Type": "application/json", **(headers or {})}
        address = str(reveal(required(context, self.url, "url")))
        question = Question("POST", address, sent, str(reveal(body)).encode())
        try:
            with http_call.call(question, self._settings(context), line) as answer:
                if answer.is_failure:
                    told = answer.text(answer.read())[:500]
                    raise TaskFailure(f"The webhook answered {answer.code}: {told}")
        except http_call.HttpFailure as failure:
            raise TaskFailure(f"The webhook cannot be reached: {failure}") from None

    def _settings(self, context: RunContext) -> Settings:
        options = self.options or Options()
        connect = duration(context, options.connect_timeout, "options.connectTimeout")
        read = duration(context, options.read_timeout or options.read_idle_timeout, "options.readTimeout")
        ssl = mapping(context, options.ssl or {}, "options.ssl")
        return Settings(
            connect_seconds=connect.total_seconds() if connect else http_call.CONNECT_SECONDS,
            read_seconds=read.total_seconds() if read else SECONDS,
            insecure=switch(context, ssl.get("insecureTrustAllCertificates") or False, "options.ssl"),
            refuses=context.platform.refuses_address,
        )


class IncomingWebhook(Webhook):
    """`payload` is JSON as text or a map; `messageText` alone is sent as `{"text": …}`."""

    payload: Any = None
    message_text: str | None = None

    def run(self, context: RunContext) -> dict[str, Json] | None:
        payload = context.render(self.payload)
        if payload is None:
            payload = {"text": required(context, self.message_text or "", "payload")}
        elif isinstance(payload, str):
            _check_json(payload)
        self.post(context, payload)
        return None


def _check_json(payload: str) -> None:
    try:
        orjson.loads(str(payload))
    except orjson.JSONDecodeError as error:
        raise TaskFailure(f"The property `payload` is not valid JSON: {error}") from None


class SlackExecution(Webhook, AboutExecution):
    channel: str | None = None
    username: str | None = None
    icon_url: str | None = None
    icon_emoji: str | None = None

    def run(self, context: RunContext) -> dict[str, Json] | None:
        facts = self.facts(context)
        fields = [{"title": name, "value": value, "short": True} for name, value in self.told(context, facts)]
        attachment = {
            "color": COLORS.get(facts["state"], "#8405ff"),
            "fields": fields,
            "actions": [{"type": "button", "text": "Details", "url": facts["link"]}],
        }
        payload: dict[str, Json] = {"text": self.message(context, facts), "attachments": [attachment]}
        given = {
            "channel": self.channel, "username": self.username, "icon_url": self.icon_url, "icon_emoji": self.icon_emoji
        }  # fmt: skip
        payload |= {name: text(context, value) for name, value in given.items() if value is not None}
        self.post(context, payload)
        return None


class WebhookExecution(Webhook, AboutExecution):
    """Our own generic form: the facts themselves as JSON, to any address."""

    headers: Any = None

    def run(self, context: RunContext) -> dict[str, Json] | None:
        facts = self.facts(context)
        payload = {**facts, "message": self.message(context, facts)}
        if self.custom_fields is not None:
            payload["customFields"] = mapping(context, self.custom_fields, "customFields")
        headers = mapping(context, self.headers, "headers") if self.headers is not None else {}
        self.post(context, payload, {name: str(value) for name, value in headers.items()})
        return None
