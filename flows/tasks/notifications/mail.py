"""notifications.mail: MailSend and MailExecution, by SMTP."""

import mimetypes
import smtplib
import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from email.message import EmailMessage
from email.utils import formatdate, getaddresses, make_msgid
from html import escape
from typing import Any

from pydantic import Field

from flows.definition.strict import Strict
from flows.expressions.taint import reveal
from flows.tasks.base import Json, RunContext, RunnableTask, TaskFailure
from flows.tasks.core.rendering import number, one_of, required, text, texts
from flows.tasks.notifications.execution_facts import AboutExecution

STRATEGIES = ("SMTP", "SMTPS", "SMTP_TLS")
ATTACHMENT_LIMIT = 25 << 20


class Attachment(Strict):
    uri: str
    name: str
    content_type: str | None = None


class MailTask(RunnableTask):
    host: str
    port: Any = None
    username: str | None = None
    password: str | None = Field(default=None, repr=False)
    transport_strategy: str = "SMTPS"
    session_timeout: Any = 10_000  # milliseconds
    from_: str = Field(alias="from")
    to: Any
    cc: Any = None
    bcc: Any = None
    reply_to: str | None = None
    subject: str | None = None
    attachments: tuple[Attachment, ...] = ()
    embedded_images: tuple[Attachment, ...] = ()

    def letter(self, context: RunContext, subject: str) -> tuple[EmailMessage, list[str]]:
        """Without its text; and whom it goes to."""
        mail = EmailMessage()
        mail["From"] = _clean(required(context, self.from_, "from"))
        people = {name: _addresses(context, value, name) for name, value in _groups(self).items()}
        if not people["to"]:
            raise TaskFailure("The property `to` is empty")
        mail["To"] = ", ".join(people["to"])
        if people["cc"]:
            mail["Cc"] = ", ".join(people["cc"])
        if reply_to := text(context, self.reply_to):
            mail["Reply-To"] = _clean(reply_to)
        mail["Subject"] = _clean(subject)
        mail["Date"], mail["Message-ID"] = formatdate(localtime=False), make_msgid(domain="celesta")
        return mail, [address for group in people.values() for _, address in getaddresses(group)]

    def send(self, context: RunContext, mail: EmailMessage, receivers: list[str]) -> None:
        for attachment in self.attachments:
            content, main, sub, name = _loaded(context, attachment)
            mail.add_attachment(content, maintype=main, subtype=sub, filename=name)
        try:
            with self._session(context) as session:
                session.send_message(mail, to_addrs=receivers)
        except smtplib.SMTPException as error:
            raise TaskFailure(f"The mail server refused: {_reason(error)}") from None
        except OSError as error:
            raise TaskFailure(f"The mail server cannot be reached: {error}") from None

    @contextmanager
    def _session(self, context: RunContext) -> Iterator[smtplib.SMTP]:
        strategy = one_of(str(context.render(self.transport_strategy)), STRATEGIES, "transportStrategy")
        host = required(context, self.host, "host")
        port = number(context, self.port, "port") or {"SMTP": 25, "SMTPS": 465, "SMTP_TLS": 587}[strategy]
        seconds = max((number(context, self.session_timeout, "sessionTimeout") or 10_000) / 1000, 0.1)
        trust = ssl.create_default_context()
        session = (
            smtplib.SMTP_SSL(host, port, timeout=seconds, context=trust)
            if strategy == "SMTPS"
            else smtplib.SMTP(host, port, timeout=seconds)
        )
        context.on_kill(lambda: _cut(session))
        with session:
            if strategy == "SMTP_TLS":
                session.starttls(context=trust)
            if self.username is not None:
                user, password = context.render(self.username), context.render(self.password or "")
                session.login(str(reveal(user)), str(reveal(password)))
            yield session


class MailSend(MailTask):
    html_text_content: str | None = None
    plain_text_content: str | None = None

    def run(self, context: RunContext) -> dict[str, Json] | None:
        mail, receivers = self.letter(context, str(context.render(self.subject or "")))
        plain, html = text(context, self.plain_text_content), text(context, self.html_text_content)
        mail.set_content(str(reveal(plain or "")) or "Please view this mail in a modern mail program")
        if html is not None:
            mail.add_alternative(str(reveal(html)), subtype="html")
            for image in self.embedded_images:
                content, main, sub, name = _loaded(context, image)
                part: Any = mail.get_payload()[1]  # type: ignore[index]
                part.add_related(content, maintype=main, subtype=sub, cid=f"<{name}>", filename=name)
        self.send(context, mail, receivers)
        return None


class MailExecution(MailTask, AboutExecution):
    def run(self, context: RunContext) -> dict[str, Json] | None:
        facts = self.facts(context)
        headline = f"[{facts['namespace']}] Flow '{facts['flowId']}' ended in state {facts['state']}"
        mail, receivers = self.letter(context, text(context, self.subject) or headline)
        told, message = self.told(context, facts), self.message(context, facts)
        lines = "\n".join(f"{name}: {value}" for name, value in told)
        mail.set_content(f"{message}\n\n{lines}\n\n{facts['link']}\n")
        rows = "".join(f"<tr><th align='left'>{escape(name)}</th><td>{escape(value)}</td></tr>" for name, value in told)
        link = f"<p><a href='{escape(facts['link'], quote=True)}'>Details</a></p>"
        mail.add_alternative(f"<p>{escape(message)}</p><table>{rows}</table>{link}", subtype="html")
        self.send(context, mail, receivers)
        return None


def _groups(task: MailTask) -> dict[str, Any]:
    return {"to": task.to, "cc": task.cc, "bcc": task.bcc}


def _addresses(context: RunContext, value: Any, name: str) -> list[str]:
    """A list, or a text with commas or semicolons between the addresses."""
    found = [_clean(one) for given in texts(context, value, name) for one in given.replace(";", ",").split(",")]
    for one in (one for one in found if one):
        if "@" not in one:
            raise TaskFailure(f"The property `{name}` holds no mail address: {one[:100]}")
    return [one for one in found if one]


def _clean(header: str) -> str:
    """One line: a line break would start another header."""
    return " ".join(str(reveal(header)).split())


def _loaded(context: RunContext, attachment: Attachment) -> tuple[bytes, str, str, str]:
    name = required(context, attachment.name, "attachments.name")
    with context.storage.open(required(context, attachment.uri, "attachments.uri")) as file:
        content = file.read(ATTACHMENT_LIMIT + 1)
    if len(content) > ATTACHMENT_LIMIT:
        raise TaskFailure(f"The attachment {name} is larger than {ATTACHMENT_LIMIT:,} bytes")
    kind = text(context, attachment.content_type) or mimetypes.guess_type(name)[0] or "application/octet-stream"
    main, _, sub = kind.partition("/")
    return content, main, sub or "octet-stream", name


def _reason(error: smtplib.SMTPException) -> str:
    if isinstance(error, smtplib.SMTPRecipientsRefused):
        return "; ".join(f"{who}: {code} {_shown(why)}" for who, (code, why) in error.recipients.items())
    if isinstance(error, smtplib.SMTPResponseException):
        return f"{error.smtp_code} {_shown(error.smtp_error)}"
    return str(error) or type(error).__name__


def _shown(told: bytes | str) -> str:
    return told.decode("utf-8", "replace") if isinstance(told, bytes) else told


def _cut(session: smtplib.SMTP) -> None:
    with suppress(OSError, AttributeError):
        session.sock.shutdown(socket.SHUT_RDWR)  # type: ignore[union-attr]
