"""jdbc.sqlite: Query and Queries, on Python's own sqlite3."""

import os
import sqlite3
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import orjson

from flows.tasks.base import Json, RunContext, TaskFailure
from flows.tasks.core.rendering import switch, text
from flows.tasks.jdbc.queries import QueriesTask, QueryTask, SqlTask, jdbc_address
from flows.tasks.jdbc.statements import names_in, statements


class SqliteTask(SqlTask):
    """A relative file is one of the run's own folder; `sqliteFile` lays a file of the internal storage there."""

    sqlite_file: str | None = None
    output_db_file: Any = False

    @contextmanager
    def opened(self, context: RunContext) -> Iterator["SqliteDatabase"]:
        path = self._path(context)
        try:
            connection = sqlite3.connect(path, timeout=30, check_same_thread=False, isolation_level=None)
        except sqlite3.Error as error:
            raise TaskFailure(f"Cannot open {path}: {error}") from None
        with closing(connection):
            context.on_kill(connection.interrupt)
            connection.set_authorizer(_authorized)
            database = SqliteDatabase(connection)
            database.run("BEGIN", {})
            yield database

    def split(self, sql: str) -> list[str]:
        """The bodies of triggers hold semicolons of their own."""
        whole: list[str] = []
        for part in statements(sql):
            if whole and not sqlite3.complete_statement(whole[-1] + ";"):
                whole[-1] += f";\n{part}"
            else:
                whole.append(part)
        return whole

    def _path(self, context: RunContext) -> str:
        name = jdbc_address(context, self.url, "sqlite").partition("?")[0]
        given = text(context, self.sqlite_file)
        folder: Path = context.working_directory
        if not name or name == ":memory:":
            if given is None:
                return ":memory:"
            name = "database.db"
        path = (folder / name).resolve()
        is_own = path.is_relative_to(folder.resolve())
        if given is not None:
            if not is_own:
                raise TaskFailure("With `sqliteFile` the property `url` must name a file without a path")
            context.download(given, path)
        elif not is_own and not path.exists() and not _may_create(path):
            raise TaskFailure(f"There is no database {path}")
        return str(path)

    def database_file(self, context: RunContext) -> dict[str, Json]:
        if not switch(context, self.output_db_file, "outputDbFile"):
            return {}
        path = self._path_kept(context)
        return {"databaseUri": context.upload(path, path.name)}

    def _path_kept(self, context: RunContext) -> Path:
        name = jdbc_address(context, self.url, "sqlite").partition("?")[0] or "database.db"
        path = Path(context.working_directory) / name
        if not path.is_file():
            raise TaskFailure("`outputDbFile` needs a database in a file")
        return path


class Query(QueryTask, SqliteTask):
    def more_outputs(self, context: RunContext) -> dict[str, Json]:
        return self.database_file(context)


class Queries(QueriesTask, SqliteTask):
    def run(self, context: RunContext) -> dict[str, Json] | None:
        return {**(super().run(context) or {}), **self.database_file(context)}


class SqliteDatabase:
    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def run(self, statement: str, parameters: Mapping[str, Any]) -> None:
        with _told():
            self._connection.execute(statement, _values(statement, parameters))

    def rows(
        self, statement: str, parameters: Mapping[str, Any], size: int
    ) -> Iterator[tuple[Sequence[str], tuple[Any, ...]]]:
        with _told():
            cursor = self._connection.execute(statement, _values(statement, parameters))
            names = [column[0] for column in cursor.description or ()]
            while found := cursor.fetchmany(size):
                for row in found:
                    yield names, row

    def commit(self) -> None:
        with _told():
            self._connection.execute("COMMIT")
            self._connection.execute("BEGIN")


@contextmanager
def _told() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise TaskFailure(str(error)) from None


def _values(statement: str, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Those that it names; sqlite knows no lists, maps and decimals."""
    found: dict[str, Any] = {}
    for name in names_in(statement):
        if name not in parameters:
            raise TaskFailure(f"There is no parameter `{name}`")
        value = parameters[name]
        if isinstance(value, dict | list):
            value = orjson.dumps(value).decode()
        elif isinstance(value, Decimal):
            value = float(value)
        found[name] = value if value is None or isinstance(value, str | int | float | bytes) else str(value)
    return found


def _authorized(action: int, first: str | None, second: str | None, database: str | None, source: str | None) -> int:
    """Another file than the one the flow names is not opened."""
    if action == sqlite3.SQLITE_ATTACH and first not in ("", ":memory:"):
        return sqlite3.SQLITE_DENY
    return sqlite3.SQLITE_OK


def _may_create(path: Path) -> bool:
    """As root only below the folder for temporary files: a database could pose as any other file."""
    return os.geteuid() != 0 or path.is_relative_to(Path(tempfile.gettempdir()).resolve())
