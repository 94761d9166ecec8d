"""jdbc.postgresql: Query and Queries, on psycopg."""

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

import psycopg
from psycopg.types.json import Jsonb
from pydantic import Field

from flows.expressions.taint import reveal
from flows.tasks.base import RunContext, TaskFailure
from flows.tasks.core.rendering import switch, text
from flows.tasks.jdbc.queries import QueriesTask, QueryTask, SqlTask, jdbc_address
from flows.tasks.jdbc.statements import for_psycopg, names_in

CONNECT_SECONDS = 15
SSL_MODES = ("disable", "allow", "prefer", "require", "verify-ca", "verify-full")
# JDBC's words for libpq's.
_KNOWN = {
    "user": "user", "password": "password", "sslmode": "sslmode", "ApplicationName": "application_name",
    "connectTimeout": "connect_timeout", "options": "options",
    "host": "host", "port": "port",  # a socket's folder, as libpq has it
}  # fmt: skip


class PostgresTask(SqlTask):
    ssl: Any = None
    ssl_mode: str | None = None
    ssl_root_cert: str | None = None
    ssl_cert: str | None = None
    ssl_key: str | None = None
    ssl_key_password: str | None = Field(default=None, repr=False)

    @contextmanager
    def opened(self, context: RunContext) -> Iterator["PostgresDatabase"]:
        try:
            connection = psycopg.connect(**self._connection_settings(context))
        except psycopg.Error as error:
            raise TaskFailure(f"Cannot connect: {_reason(error)}") from None
        with connection:
            context.on_kill(connection.cancel)
            zone = text(context, self.time_zone_id)
            if zone:
                with _told("", {}):
                    connection.execute("SELECT set_config('TimeZone', %s, false)", [zone])
            yield PostgresDatabase(connection)

    def _connection_settings(self, context: RunContext) -> dict[str, Any]:
        found = _from_url(jdbc_address(context, self.url, "postgresql"))
        for name, value in (("user", self.username), ("password", self.password)):
            if value is not None:
                found[name] = str(reveal(context.render(value)))
        if self.ssl is not None and switch(context, self.ssl, "ssl"):
            found["sslmode"] = "require"
        mode = (text(context, self.ssl_mode) or "").lower().replace("_", "-")
        if mode:
            if mode not in SSL_MODES:
                raise TaskFailure(f"The property `sslMode` must be one of {', '.join(SSL_MODES)}")
            found["sslmode"] = mode
        for name, value in (("sslrootcert", self.ssl_root_cert), ("sslcert", self.ssl_cert), ("sslkey", self.ssl_key)):
            if value is not None:
                found[name] = str(_kept(context, name, str(reveal(context.render(value)))))
        if self.ssl_key_password is not None:
            found["sslpassword"] = str(reveal(context.render(self.ssl_key_password)))
        return found


class Query(QueryTask, PostgresTask):
    pass


class Queries(QueriesTask, PostgresTask):
    pass


class PostgresDatabase:
    def __init__(self, connection: "psycopg.Connection[Any]") -> None:
        self._connection = connection

    def run(self, statement: str, parameters: Mapping[str, Any]) -> None:
        with _told(statement, parameters):
            self._connection.execute(*_prepared(statement, parameters))

    def rows(
        self, statement: str, parameters: Mapping[str, Any], size: int
    ) -> Iterator[tuple[Sequence[str], tuple[Any, ...]]]:
        """A cursor of the server where the statement allows one: a result of any size needs little memory."""
        query, values = _prepared(statement, parameters)
        is_select = statement.lstrip("( \n\t").upper().startswith(("SELECT", "VALUES", "TABLE"))
        name = "celesta" if is_select else ""
        with _told(statement, parameters), self._connection.cursor(name) as cursor:
            if is_select:
                cursor.itersize = size
            cursor.execute(query, values)
            if cursor.description is None:
                return
            names = [column.name for column in cursor.description]
            for row in cursor:
                yield names, row

    def commit(self) -> None:
        try:
            self._connection.commit()
        except psycopg.Error as error:
            raise TaskFailure(_reason(error)) from None


def _prepared(statement: str, parameters: Mapping[str, Any]) -> tuple[str, dict[str, Any] | None]:
    if not parameters:
        return statement, None
    values = {name: Jsonb(value) if isinstance(value, dict) else value for name, value in parameters.items()}
    return for_psycopg(statement, values), values


@contextmanager
def _told(statement: str, parameters: Mapping[str, Any]) -> Iterator[None]:
    """What the database refuses fails the task; a syntax error may come of a `:name` without a value."""
    try:
        yield
    except psycopg.errors.SyntaxError as error:
        unknown = [f"`{name}`" for name in dict.fromkeys(names_in(statement)) if name not in parameters]
        hint = f"\nThe parameters have no {', '.join(unknown)}" if unknown else ""
        raise TaskFailure(_reason(error) + hint) from None
    except psycopg.Error as error:
        raise TaskFailure(_reason(error)) from None


def _from_url(address: str) -> dict[str, Any]:
    """Nothing of the worker's own environment (password file, service file) is used."""
    try:
        parts = urlsplit(f"postgresql:{address}" if address.startswith("//") else f"postgresql:///{address}")
        found: dict[str, Any] = {"host": parts.hostname or "localhost", "port": parts.port or 5432}
    except ValueError as error:
        raise TaskFailure(f"The property `url` cannot be read: {error}") from None
    given = dict(parse_qsl(parts.query))
    user = given.get("user") or unquote(parts.username or "")
    found |= {"dbname": unquote(parts.path.lstrip("/")) or user or "postgres", "user": user or "postgres"}
    found |= {"connect_timeout": CONNECT_SECONDS, "passfile": os.devnull, "application_name": "celesta task"}
    if parts.password:
        found["password"] = unquote(parts.password)
    if given.get("ssl", "").lower() == "true":
        found["sslmode"] = "require"
    if given.get("currentSchema"):
        found["options"] = f"-c search_path={given['currentSchema'].replace(' ', '')}"
    return found | {_KNOWN[name]: value for name, value in given.items() if name in _KNOWN}


def _kept(context: RunContext, name: str, content: str) -> Path:
    """A certificate or key as the file that libpq wants."""
    folder: Path = context.working_directory
    path = folder / f"{name}.pem"
    path.touch(0o600)
    path.write_text(content)
    return path


def _reason(error: psycopg.Error) -> str:
    told = str(error).strip() or type(error).__name__
    state = error.sqlstate
    return f"{told} (SQLSTATE {state})" if state else told
