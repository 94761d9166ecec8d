"""Reads the settings of the contract from environment variables into one frozen value."""

import base64
import binascii
import ipaddress
import os
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import isodate
import orjson
from django.core.exceptions import ImproperlyConfigured

from executions import retention

# Where clouds answer with the machine's own credentials.
HTTP_BLOCKED = "169.254.0.0/16 fe80::/10 fd00:ec2::254/128"
ENGINE_ONLY = "CELESTA_ENGINE_ONLY"
DEFAULT_HOME = Path(__file__).resolve().parent.parent / ".celesta"


@dataclass(frozen=True, slots=True)
class CelestaSettings:
    """What lower layers read as `django.conf.settings.CELESTA`."""

    home: Path
    host: str
    port: int
    public_url: str
    allowed_hosts: tuple[str, ...]
    admin_username: str
    admin_password: str | None
    secret_key: str
    encryption_keys: tuple[bytes, ...]  # the first encrypts; empty: no encryption
    executor_threads: int
    executor_poll_ms: int
    worker_pool: str
    worker_concurrency: int
    broker_url: str | None
    queue_backend: str
    queues_retention: timedelta
    queues_retention_high_cardinality: timedelta
    queues_clean_interval: timedelta
    retention: tuple[retention.Rule, ...]
    log_format: str
    task_modules: tuple[str, ...]
    globals: Mapping[str, Any]
    message_limit_bytes: int
    depth_limit: int  # of executions that start each other
    lineage_limit: int  # executions that come, directly or not, of one
    secrets: Mapping[str, str]
    envs: Mapping[str, str]
    storage: Path
    storage_url: str | None
    http_blocked: tuple[str, ...]
    audit_retention: timedelta | None  # None: for ever
    otel: bool  # whether traces and figures are sent to a collector

    @property
    def public_host(self) -> str:
        return urlsplit(self.public_url).hostname or ""

    def secret(self, name: str) -> str | None:
        """The clear value of `SECRET_<NAME>`; names are upper case, as in Kestra."""
        return self.secrets.get(name.upper())

    @staticmethod
    def read_secrets(environ: Mapping[str, str]) -> Mapping[str, str]:
        return _secrets(environ)


def home(environ: Mapping[str, str] = os.environ) -> Path:
    return Path(environ.get("CELESTA_HOME") or DEFAULT_HOME).absolute()


def is_engine_only(environ: Mapping[str, str] = os.environ) -> bool:
    """Whether this process (or the worker that it is a child of) answers no requests. Set by `command_line`, not by users."""
    return environ.get(ENGINE_ONLY) == "1"


def read(environ: Mapping[str, str] = os.environ) -> CelestaSettings:
    where = home(environ)
    host = environ.get("CELESTA_HOST") or "127.0.0.1"
    port = _integer(environ, "CELESTA_PORT", 8080, low=1, high=65535)
    return CelestaSettings(
        home=where,
        host=host,
        port=port,
        public_url=(environ.get("CELESTA_PUBLIC_URL") or local_url(host, port)).rstrip("/"),
        allowed_hosts=_words(environ.get("CELESTA_ALLOWED_HOSTS")),
        admin_username=environ.get("CELESTA_ADMIN_USERNAME") or "admin",
        admin_password=environ.get("CELESTA_ADMIN_PASSWORD") or None,
        secret_key=environ.get("CELESTA_SECRET_KEY") or _generated(where / "secret_key"),
        encryption_keys=_encryption_keys(environ.get("CELESTA_ENCRYPTION_KEY"), where),
        executor_threads=_integer(environ, "EXECUTOR_THREADS", 2, low=1, high=64),
        executor_poll_ms=_integer(environ, "EXECUTOR_POLL_MS", 25, low=1, high=60_000),
        worker_pool=_choice(environ, "WORKER_POOL", "threads", {"threads", "prefork", "solo"}),
        worker_concurrency=_integer(environ, "WORKER_CONCURRENCY", max(8, 4 * (os.cpu_count() or 2)), low=1, high=1024),
        broker_url=environ.get("CELERY_BROKER_URL") or None,
        # `kafka` is a later version's: refused here, not taken and ignored.
        queue_backend=_choice(environ, "QUEUE_BACKEND", "postgres", {"postgres"}),
        queues_retention=_duration(environ, "QUEUES_RETENTION", "P7D"),
        queues_retention_high_cardinality=_duration(environ, "QUEUES_RETENTION_HIGH_CARDINALITY", "PT1H"),
        queues_clean_interval=_duration(environ, "QUEUES_CLEAN_INTERVAL", "PT1H"),
        retention=_retention(environ.get("CELESTA_RETENTION")),
        log_format=_choice(environ, "CELESTA_LOG_FORMAT", "plain", {"plain", "json"}),
        task_modules=_words(environ.get("CELESTA_TASK_MODULES")),
        globals=_globals(environ.get("CELESTA_GLOBALS")),
        message_limit_bytes=_integer(environ, "CELESTA_MESSAGE_LIMIT_BYTES", 10 * 1024 * 1024, low=1024, high=1 << 30),
        depth_limit=_integer(environ, "CELESTA_DEPTH_LIMIT", 20, low=1, high=1000),
        lineage_limit=_integer(environ, "CELESTA_LINEAGE_LIMIT", 10_000, low=1, high=1 << 31),
        secrets=_secrets(environ),
        envs=_envs(environ),
        storage=where / "storage",
        storage_url=environ.get("CELESTA_STORAGE_URL") or None,
        http_blocked=_networks(environ, "CELESTA_HTTP_BLOCKED", HTTP_BLOCKED),
        audit_retention=_audit_retention(environ),
        otel=_otel(environ),
    )


def time_zone(environ: Mapping[str, str] = os.environ) -> str:
    """TZ where it names a zone: what dates without one of their own, and schedules, mean."""
    name = (environ.get("TZ") or "UTC").removeprefix(":")
    try:
        return ZoneInfo(name).key
    except (ValueError, OSError, ZoneInfoNotFoundError):
        return "UTC"


def local_url(host: str, port: int) -> str:
    shown = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, f"[{host}]" if ":" in host else host)
    return f"http://{shown}:{port}"


def _words(text: str | None) -> tuple[str, ...]:
    return tuple(word for word in (text or "").replace(",", " ").split() if word)


def _integer(environ: Mapping[str, str], name: str, default: int, *, low: int, high: int) -> int:
    text = environ.get(name)
    if not text:
        return default
    try:
        number = int(text)
    except ValueError:
        raise ImproperlyConfigured(f"{name} must be a whole number, not {text!r}") from None
    if not low <= number <= high:
        raise ImproperlyConfigured(f"{name} must lie between {low} and {high}, not {number}")
    return number


def _choice(environ: Mapping[str, str], name: str, default: str, choices: set[str]) -> str:
    value = environ.get(name) or default
    if value not in choices:
        raise ImproperlyConfigured(f"{name} must be one of {', '.join(sorted(choices))}, not {value!r}")
    return value


def _duration(environ: Mapping[str, str], name: str, default: str) -> timedelta:
    text = environ.get(name) or default
    try:
        value = isodate.parse_duration(text)
    except (isodate.ISO8601Error, TypeError, ValueError):
        value = None
    if not isinstance(value, timedelta) or value < timedelta(0):
        raise ImproperlyConfigured(f"{name} must be an ISO 8601 duration such as {default}, not {text!r}")
    return value


def _audit_retention(environ: Mapping[str, str]) -> timedelta | None:
    if not environ.get("CELESTA_AUDIT_RETENTION"):
        return None
    found = _duration(environ, "CELESTA_AUDIT_RETENTION", "P365D")
    if found < timedelta(days=1):
        raise ImproperlyConfigured("CELESTA_AUDIT_RETENTION must be at least P1D")
    return found


def _otel(environ: Mapping[str, str]) -> bool:
    names = ("OTEL_EXPORTER_OTLP_ENDPOINT", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
    wanted = any(environ.get(name) for name in names) and environ.get("OTEL_SDK_DISABLED", "").lower() != "true"
    if wanted and not _has_otel():
        raise ImproperlyConfigured(
            "OTEL_EXPORTER_OTLP_ENDPOINT is set, but the libraries are not there: "
            "pip install opentelemetry-sdk opentelemetry-exporter-otlp-proto-http"
        )
    return wanted


def _has_otel() -> bool:
    try:
        return find_spec("opentelemetry.exporter.otlp.proto.http") is not None
    except ModuleNotFoundError:
        return False


def _retention(text: str | None) -> tuple[retention.Rule, ...]:
    try:
        return retention.read(orjson.loads(text) if text else [])
    except orjson.JSONDecodeError as error:
        raise ImproperlyConfigured(f"CELESTA_RETENTION is not JSON: {error}") from None
    except retention.InvalidRetention as error:
        raise ImproperlyConfigured(f"CELESTA_RETENTION: {error}") from None


def _networks(environ: Mapping[str, str], name: str, default: str) -> tuple[str, ...]:
    """What tasks may not call; an empty text blocks nothing."""
    text = environ.get(name)
    words = _words(default if text is None else text)
    for word in words:
        try:
            ipaddress.ip_network(word)
        except ValueError as error:
            raise ImproperlyConfigured(f"{name} must list networks such as 10.0.0.0/8: {error}") from None
    return words


def _globals(text: str | None) -> Mapping[str, Any]:
    try:
        value = orjson.loads(text) if text else {}
    except orjson.JSONDecodeError as error:
        raise ImproperlyConfigured(f"CELESTA_GLOBALS is not JSON: {error}") from None
    if not isinstance(value, dict):
        raise ImproperlyConfigured("CELESTA_GLOBALS must be a JSON object")
    return MappingProxyType(value)


def _secrets(environ: Mapping[str, str]) -> Mapping[str, str]:
    found = {}
    for name, value in environ.items():
        if name.startswith("SECRET_") and len(name) > len("SECRET_"):
            try:
                found[name.removeprefix("SECRET_").upper()] = base64.b64decode(
                    "".join(value.split()), validate=True
                ).decode()
            except (binascii.Error, UnicodeDecodeError):
                raise ImproperlyConfigured(f"{name} must be base64 of UTF-8 text") from None
    return MappingProxyType(found)


def _envs(environ: Mapping[str, str]) -> Mapping[str, str]:
    """`envs.name`: lower-case names, as Kestra has them; our own prefix wins over Kestra's."""
    found = {}
    for prefix in ("KESTRA_", "ENV_"):
        found.update(
            {name.removeprefix(prefix).lower(): value for name, value in environ.items() if name.startswith(prefix)}
        )
    return MappingProxyType(found)


def _encryption_keys(text: str | None, where: Path) -> tuple[bytes, ...]:
    """Several keys (commas between) while one is being replaced: the new one comes first."""
    if text == "none":
        return ()
    return tuple(_encryption_key(one) for one in _words(text or _generated(where / "encryption_key")))


def _encryption_key(encoded: str) -> bytes:
    try:
        key = base64.b64decode(encoded, validate=True)
    except binascii.Error:
        raise ImproperlyConfigured("CELESTA_ENCRYPTION_KEY must be base64, or `none` for no encryption") from None
    if len(key) < 16:
        raise ImproperlyConfigured("CELESTA_ENCRYPTION_KEY must hold at least 16 bytes")
    return key


def _generated(path: Path) -> str:
    """The key kept in `path`, made there once: several processes that start together get the same one."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not path.exists():
            draft = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
            with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
                file.write(base64.b64encode(secrets.token_bytes(48)).decode())
                file.flush()
                os.fsync(file.fileno())
            try:
                os.link(draft, path)
            except FileExistsError:
                pass
            finally:
                draft.unlink()
        return path.read_text().strip()
    except OSError as error:
        raise ImproperlyConfigured(
            f"cannot keep a key in {path}: {error.strerror or error}; set CELESTA_HOME"
        ) from None
