"""One HTTP call: addresses checked before connecting, redirects too, sizes bounded, stopped from another thread.

For the tasks http.Request and http.Download and for the function `http()`. Knows no task and no expression.
"""

import ipaddress
import json
import socket
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urljoin, urlsplit

import urllib3
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.exceptions import HTTPError, LocationParseError, MaxRetryError, ProtocolError
from urllib3.util import Retry, Timeout
from urllib3.util.connection import create_connection

Json = Any
Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Refuses = Callable[[Address], bool]
CHUNK = 1 << 16
MAX_BODY = 10 << 20
MAX_REDIRECTS = 10
CONNECT_SECONDS = 10.0
READ_SECONDS = 300.0
EXPRESSION_SECONDS = 15.0  # for all of a call in an expression
METHODS = ("GET", "POST", "PUT", "DELETE", "PATCH", "HEAD", "OPTIONS", "TRACE")


class HttpFailure(Exception):
    """The message is for the user; `code` and `body` are there when the other side answered."""

    def __init__(self, message: str, code: int | None = None) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, slots=True)
class Settings:
    """How to call: limits, proxy, trust."""

    connect_seconds: float = CONNECT_SECONDS
    read_seconds: float = READ_SECONDS
    follow_redirects: bool = True
    insecure: bool = False
    proxy: str | None = None
    proxy_auth: str | None = None  # user:password
    refuses: Refuses | None = None


@dataclass(frozen=True, slots=True)
class Question:
    method: str
    uri: str
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes | None = None
    fields: Sequence[tuple[str, Any]] | None = None  # multipart


@dataclass(slots=True)
class Answer:
    """An open answer: its body is read by `chunks`, once."""

    code: int
    reason: str
    uri: str
    headers: dict[str, list[str]]
    _response: Any

    @property
    def is_failure(self) -> bool:
        return self.code >= 400

    def header(self, name: str) -> str | None:
        values = next((values for key, values in self.headers.items() if key.lower() == name.lower()), None)
        return values[0] if values else None

    def chunks(self) -> Iterator[bytes]:
        try:
            yield from self._response.stream(CHUNK, decode_content=True)
        except (HTTPError, OSError) as error:
            raise HttpFailure(f"The answer of {self.uri} broke off: {_reason(error)}") from None

    def read(self, limit: int = MAX_BODY) -> bytes:
        parts, size = [], 0
        for chunk in self.chunks():
            size += len(chunk)
            if size > limit:
                raise HttpFailure(f"The answer of {self.uri} is larger than {limit:,} bytes; http.Download takes it")
            parts.append(chunk)
        return b"".join(parts)

    def text(self, content: bytes, default: str = "utf-8") -> str:
        _, _, after = (self.header("content-type") or "").partition("charset=")
        try:
            return content.decode(after.strip().strip('"').partition(";")[0] or default, "replace")
        except LookupError:
            return content.decode("utf-8", "replace")


class Line:
    """The sockets of one call, so that another thread can cut it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self.is_cut = False

    def holds(self, opened: socket.socket) -> None:
        with self._lock:
            self._sockets.append(opened)
            if not self.is_cut:
                return
        self.cut()

    def cut(self) -> None:
        with self._lock:
            self.is_cut = True
            sockets, self._sockets = self._sockets, []
        for opened in sockets:
            with suppress(OSError):
                opened.shutdown(socket.SHUT_RDWR)


@contextmanager
def call(question: Question, settings: Settings, line: Line | None = None) -> Iterator[Answer]:
    """Raises HttpFailure when there is no answer; an answer of any code is an answer."""
    parts = urlsplit(question.uri)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise HttpFailure(f"Not an HTTP address: {question.uri[:200]}")
    if question.method not in METHODS:
        raise HttpFailure(f"Unknown HTTP method {question.method[:20]}; one of {', '.join(METHODS)}")
    manager = _manager(settings, line or Line())
    response = None
    try:
        response = _send(manager, question, settings)
        # urllib3 keeps the way that redirects took; the last one is where the answer comes from.
        history = response.retries.history if response.retries else ()
        uri = urljoin(question.uri, (history[-1].redirect_location if history else None) or "")
        headers: dict[str, list[str]] = {}
        for name, value in response.headers.items():
            headers.setdefault(name, []).append(value)
        yield Answer(response.status, response.reason or "", uri, headers, response)
    finally:
        if response is not None:
            response.close()
        manager.clear()


def _send(manager: Any, question: Question, settings: Settings) -> Any:
    options: dict[str, Any] = {"headers": dict(question.headers)}
    if question.fields is not None:
        options["fields"] = question.fields
        options["encode_multipart"] = True
    elif question.body is not None:
        options["body"] = question.body
    redirects = MAX_REDIRECTS if settings.follow_redirects else 0
    try:
        return manager.request(
            question.method,
            question.uri,
            preload_content=False,
            redirect=settings.follow_redirects,
            timeout=Timeout(connect=settings.connect_seconds, read=settings.read_seconds),
            retries=Retry(total=redirects, connect=0, read=0, other=0, redirect=redirects, raise_on_redirect=True),
            **options,
        )
    except MaxRetryError as error:
        raise HttpFailure(f"Cannot call {question.uri}: {_reason(error.reason or error)}") from None
    except (HTTPError, LocationParseError, OSError, ValueError) as error:
        raise HttpFailure(f"Cannot call {question.uri}: {_reason(error)}") from None


def _reason(error: BaseException) -> str:
    """Without the library's objects in it."""
    if isinstance(error, ProtocolError) and len(error.args) > 1 and isinstance(error.args[1], Exception):
        error = error.args[1]  # ours, or the system's, inside of the library's own
    text = (error.strerror if isinstance(error, OSError) else None) or str(error)
    if "too many redirects" in text:
        return f"more than {MAX_REDIRECTS} redirects"
    if "object at 0x" in text or text.startswith(("HTTPConnection", "HTTPSConnection", "<")):
        text = text.partition(": ")[2] or type(error).__name__
    return text.removeprefix("Failed to establish a new connection: ")


def _manager(settings: Settings, line: Line) -> Any:
    tls: dict[str, Any] = {"cert_reqs": "CERT_NONE", "assert_hostname": False} if settings.insecure else {}
    if settings.proxy is not None:
        headers = urllib3.make_headers(proxy_basic_auth=settings.proxy_auth) if settings.proxy_auth else None
        manager: Any = urllib3.ProxyManager(settings.proxy, proxy_headers=headers, **tls)
    else:
        manager = urllib3.PoolManager(**tls)
    manager.pool_classes_by_scheme = _pools(settings.refuses, line)
    return manager


def _pools(refuses: Refuses | None, line: Line) -> dict[str, Any]:
    def opened(connection: Any) -> socket.socket:
        """Resolved once, checked, and connected to just that address: a second look-up cannot lead elsewhere."""
        sock = create_connection(
            (_checked(connection._dns_host, connection.port, refuses), connection.port),
            connection.timeout,
            source_address=connection.source_address,
            socket_options=connection.socket_options,
        )
        line.holds(sock)
        return sock

    class Plain(HTTPConnection):
        def _new_conn(self) -> socket.socket:
            return opened(self)

    class Secure(HTTPSConnection):
        def _new_conn(self) -> socket.socket:
            return opened(self)

    class PlainPool(urllib3.HTTPConnectionPool):
        ConnectionCls = Plain

    class SecurePool(urllib3.HTTPSConnectionPool):
        ConnectionCls = Secure

    return {"http": PlainPool, "https": SecurePool}


def _checked(host: str, port: int, refuses: Refuses | None) -> str:
    """The address to connect to; refused when any address of the name is."""
    try:
        found = socket.getaddrinfo(host.strip("[]"), port, type=socket.SOCK_STREAM)
    except (socket.gaierror, UnicodeError) as error:
        raise OSError(f"cannot resolve {host}: {error.strerror if isinstance(error, OSError) else error}") from None
    addresses = [str(entry[4][0]) for entry in found]
    for address in addresses:
        parsed = ipaddress.ip_address(address.partition("%")[0])
        plain = getattr(parsed, "ipv4_mapped", None) or parsed
        if refuses is not None and refuses(plain):
            raise OSError(f"the address {plain} of {host} is not allowed here")
    return addresses[0]


def refusing(networks: Sequence[str], *, private: bool = False) -> Refuses:
    """A policy: what is in `networks`, and with `private` all that is not public."""
    blocked = [ipaddress.ip_network(network) for network in networks]

    def refuses(address: Address) -> bool:
        if private and not address.is_global:
            return True
        return any(address in network for network in blocked if network.version == address.version)

    return refuses


# --- the function http()


def fetched(uri: str, properties: Mapping[str, Json], settings: Settings) -> Json:
    """The body of an answer, parsed when it is JSON. Raises HttpFailure for codes from 400 on."""
    given = dict(properties)
    headers = {str(name): str(value) for name, value in (given.get("headers") or {}).items()}
    if given.get("accept"):
        headers.setdefault("Accept", str(given["accept"]))
    query = urlencode(given.get("query") or {}, doseq=True)
    if query:
        uri += ("&" if "?" in uri else "?") + query
    body, content_type = encoded(given.get("body"), given.get("contentType"))
    if content_type:
        headers.setdefault("Content-Type", content_type)
    headers |= authorization(given.get("auth") or (given.get("options") or {}).get("auth"))
    question = Question(str(given.get("method") or "GET").upper(), uri, headers, body)
    with _bounded() as line, call(question, settings, line) as answer:
        content = answer.read()
        if answer.is_failure:
            status = f"{answer.code} {answer.reason}".strip()
            raise HttpFailure(f"Failed to execute HTTP Request, server respond with status {status}", answer.code)
        text = answer.text(content)
        return _parsed(text) if "json" in (answer.header("content-type") or "") else text


@contextmanager
def _bounded() -> Iterator[Line]:
    """A server that answers byte by byte must not hold a rendering for ever."""
    line = Line()
    timer = threading.Timer(EXPRESSION_SECONDS, line.cut)
    timer.daemon = True
    timer.start()
    try:
        yield line
    finally:
        timer.cancel()


def _parsed(text: str) -> Json:
    try:
        return json.loads(text)
    except ValueError:
        raise HttpFailure("The answer says that it is JSON, but it is not") from None


def encoded(body: Json, content_type: str | None) -> tuple[bytes | None, str | None]:
    """A body as bytes, and its type: maps and lists are JSON, or a form where that is asked for."""
    if body is None:
        return None, content_type
    if isinstance(body, str):
        return body.encode("utf-8", "replace"), content_type or "application/json"
    if isinstance(body, Mapping) and (content_type or "").startswith("application/x-www-form-urlencoded"):
        return urlencode(body, doseq=True).encode(), content_type
    return json.dumps(body, separators=(",", ":")).encode(), content_type or "application/json"


def authorization(auth: Json) -> dict[str, str]:
    """The header of `auth: {type: BASIC|BEARER, …}`."""
    if not isinstance(auth, Mapping):
        return {}
    kind = str(auth.get("type") or "BASIC").upper()
    if kind == "BEARER":
        return {"Authorization": f"Bearer {auth.get('token') or ''}"}
    if kind != "BASIC":
        raise HttpFailure(f"Unknown type of `auth`: {kind[:50]}; it must be BASIC or BEARER")
    made = urllib3.make_headers(basic_auth=f"{auth.get('username') or ''}:{auth.get('password') or ''}")
    return {"Authorization": made["authorization"]}
