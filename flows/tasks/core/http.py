"""core.http.Request and Download: one HTTP call; its answer as output or as a file of the internal storage."""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote, urlencode, urlsplit

from pydantic import Field

from flows.definition.folders import is_address
from flows.definition.strict import Strict
from flows.tasks.base import Json, RunContext, RunnableTask, TaskFailure
from flows.tasks.core import http_call
from flows.tasks.core.http_call import Answer, Line, Question, Settings
from flows.tasks.core.rendering import duration, mapping, number, required, switch, text

MULTIPART = "multipart/form-data"
FORM = "application/x-www-form-urlencoded"
SHOWN_BODY = 2000
_FILE_NAME = re.compile(r"filename\*?=(?:UTF-8'')?\"?([^\";]+)\"?", re.IGNORECASE)


class Options(Strict):
    """How to call. The flat properties of older versions are taken as well."""

    timeout: Any = None  # {connectTimeout, readIdleTimeout}
    proxy: Any = None  # {address, port, username, password}
    auth: Any = None  # {type: BASIC, username, password} or {type: BEARER, token}
    ssl: Any = None  # {insecureTrustAllCertificates}
    follow_redirects: Any = True
    allow_failed: Any = None
    allowed_response_codes: Any = None
    default_charset: str = "UTF-8"
    logs: Any = None
    log_level: Any = None
    connect_timeout: str | None = None
    read_timeout: str | None = None
    read_idle_timeout: str | None = None
    connection_pool_idle_timeout: Any = None
    max_content_length: Any = None
    proxy_type: Any = None
    proxy_address: Any = None
    proxy_port: Any = None
    proxy_username: Any = None
    proxy_password: Any = None
    basic_auth_user: str | None = None
    basic_auth_password: str | None = None


class Call(Strict):
    """What is asked, of whom: the properties of everything that makes an HTTP call."""

    uri: str
    method: str = "GET"
    body: Any = None
    form_data: Any = None
    params: Any = None
    content_type: str | None = None
    headers: Any = Field(default_factory=dict)
    options: Options = Field(default_factory=Options)
    ssl_options: Any = None


class HttpTask(Call, RunnableTask):
    @contextmanager
    def answered(self, context: RunContext, allow_failed: Any) -> Iterator[Answer]:
        """Raises TaskFailure for a code from 400 on, unless it is allowed."""
        line = Line()
        context.on_kill(line.cut)
        try:
            with http_call.call(self._question(context), self._settings(context), line) as answer:
                context.log("DEBUG", f"Request '{answer.uri}' with the response code '{answer.code}'")
                if answer.is_failure and not self._is_allowed(context, answer.code, allow_failed):
                    raise TaskFailure(_refusal(answer))
                yield answer
        except http_call.HttpFailure as failure:
            raise TaskFailure(str(failure)) from None

    def _is_allowed(self, context: RunContext, code: int, allow_failed: Any) -> bool:
        codes = self.options.allowed_response_codes
        if codes is not None:
            rendered = context.render_typed(codes)
            return str(code) in [str(one) for one in (rendered if isinstance(rendered, list) else [rendered])]
        given = allow_failed if self.options.allow_failed is None else self.options.allow_failed
        return switch(context, given, "allowFailed")

    def _question(self, context: RunContext) -> Question:
        uri = required(context, self.uri, "uri")
        if self.params is not None:
            query = urlencode(mapping(context, self.params, "params"), doseq=True)
            uri += ("&" if "?" in uri else "?") + query if query else ""
        headers = {name: str(value) for name, value in mapping(context, self.headers, "headers").items()}
        headers |= self._authorization(context)
        content_type = text(context, self.content_type)
        method = str(context.render(self.method)).upper()
        fields: list[tuple[str, Any]] | None = None
        body: bytes | None = None
        if self.form_data is not None and (content_type or "").startswith(MULTIPART):
            fields = [
                _part(context, name, value) for name, value in mapping(context, self.form_data, "formData").items()
            ]
        else:
            if self.form_data is not None:
                given: Any = mapping(context, self.form_data, "formData")
                content_type = content_type or FORM
            else:
                given = context.render(self.body)
            body, content_type = http_call.encoded(given, content_type)
            if content_type is not None and not any(name.lower() == "content-type" for name in headers):
                headers["Content-Type"] = content_type
        return Question(method, uri, headers, body, fields)

    def _authorization(self, context: RunContext) -> dict[str, str]:
        if self.options.basic_auth_user is not None:
            names = {"username": self.options.basic_auth_user, "password": self.options.basic_auth_password or ""}
            return http_call.authorization(context.render(names))
        if self.options.auth is None:
            return {}
        return http_call.authorization(mapping(context, self.options.auth, "options.auth"))

    def _settings(self, context: RunContext) -> Settings:
        options = self.options
        times = mapping(context, options.timeout, "options.timeout") if options.timeout is not None else {}
        connect = times.get("connectTimeout") or options.connect_timeout
        read = times.get("readIdleTimeout") or options.read_idle_timeout or options.read_timeout
        ssl = mapping(context, options.ssl or self.ssl_options or {}, "options.ssl")
        proxy, proxy_auth = self._proxy(context)
        return Settings(
            connect_seconds=_seconds(context, connect, "options.timeout", http_call.CONNECT_SECONDS),
            read_seconds=_seconds(context, read, "options.timeout", http_call.READ_SECONDS),
            follow_redirects=switch(context, options.follow_redirects, "options.followRedirects"),
            insecure=switch(context, ssl.get("insecureTrustAllCertificates") or False, "options.ssl"),
            proxy=proxy,
            proxy_auth=proxy_auth,
            refuses=context.platform.refuses_address,
        )

    def _proxy(self, context: RunContext) -> tuple[str | None, str | None]:
        options = self.options
        given = mapping(context, options.proxy, "options.proxy") if options.proxy is not None else {}
        address = given.get("address") or text(context, options.proxy_address)
        if not address:
            return None, None
        port = given.get("port") or number(context, options.proxy_port, "options.proxyPort") or 8080
        user = given.get("username") or text(context, options.proxy_username)
        password = given.get("password") or text(context, options.proxy_password) or ""
        return f"http://{address}:{port}", f"{user}:{password}" if user else None


def _seconds(context: RunContext, value: Any, name: str, default: float) -> float:
    found = duration(context, None if value is None else str(value), name)
    return default if found is None else max(found.total_seconds(), 0.001)


def _part(context: RunContext, name: str, value: Json) -> tuple[str, Any]:
    """A field of a form; an address of the internal storage is the file itself."""
    file_name = None
    if isinstance(value, Mapping):
        file_name, value = value.get("name"), value.get("content")
    content = "" if value is None else str(value)
    if not is_address(content):
        return name, (file_name, content) if file_name else content
    with context.storage.open(content) as file:
        data = file.read(http_call.MAX_BODY + 1)
    if len(data) > http_call.MAX_BODY:
        raise TaskFailure(f"The file of `formData.{name}` is larger than {http_call.MAX_BODY:,} bytes")
    return name, (str(file_name or content.rpartition("/")[2]), data, "application/octet-stream")


def _refusal(answer: Answer) -> str:
    told = answer.text(answer.read())
    shown = f" and body:\n{told[:SHOWN_BODY]}" if told.strip() else ""
    return f"Failed http request with response code '{answer.code}'{shown}"


class Request(HttpTask):
    allow_failed: Any = False
    encrypt_body: Any = False

    def run(self, context: RunContext) -> dict[str, Json] | None:
        with self.answered(context, self.allow_failed) as answer:
            content = answer.read()
            context.metric("response.length", len(content), tags={"code": str(answer.code)})
            outputs: dict[str, Json] = {"uri": answer.uri, "code": answer.code, "headers": answer.headers}
            body = answer.text(content, self.options.default_charset)
            if switch(context, self.encrypt_body, "encryptBody"):
                return {**outputs, "encryptedBody": context.platform.encrypted(body)}
            return {**outputs, "body": body}


class Download(HttpTask):
    fail_on_empty_response: Any = True
    allow_failed: Any = False
    save_as: str | None = None

    def run(self, context: RunContext) -> dict[str, Json] | None:
        with self.answered(context, self.allow_failed) as answer:
            target = context.working_directory / "download"
            size = 0
            with target.open("wb") as file:
                for chunk in answer.chunks():
                    size += len(chunk)
                    file.write(chunk)
            if size == 0 and switch(context, self.fail_on_empty_response, "failOnEmptyResponse"):
                raise TaskFailure(f"No response from '{answer.uri}'")
            context.metric("response.length", size, tags={"code": str(answer.code)})
            name = text(context, self.save_as) or _name_of(answer)
            return {
                "uri": context.upload(target, name),
                "code": answer.code,
                "length": size,
                "headers": answer.headers,
            }


def _name_of(answer: Answer) -> str:
    """From the header, else from the address; never a path."""
    match = _FILE_NAME.search(answer.header("content-disposition") or "")
    name = unquote(match[1]) if match else unquote(urlsplit(answer.uri).path.rpartition("/")[2])
    name = re.sub(r"[^\w.-]+", "_", name.replace("\\", "/").rpartition("/")[2])[:200]
    return name if name.strip(".") else "download"
