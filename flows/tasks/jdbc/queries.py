"""What all databases share: statements run in order, the last result fetched as the flow wants it."""

import base64
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from itertools import chain, islice
from typing import Any, Protocol
from uuid import UUID

from pydantic import Field

from flows.expressions.taint import reveal
from flows.tasks.base import Json, RunContext, RunnableTask, TaskFailure
from flows.tasks.core.rendering import mapping, number, one_of, required, switch
from flows.tasks.core.storage_items import write_items
from flows.tasks.jdbc.statements import statements

Row = dict[str, Json]
MODES = ("NONE", "FETCH", "FETCH_ONE", "STORE")
MOST_ROWS = 100_000  # as outputs; a file takes any number
_PLAIN = (str, int, float, bool, Decimal, datetime, date, time, timedelta)


class Database(Protocol):
    """An open connection. Errors of the database are TaskFailures."""

    def run(self, statement: str, parameters: Mapping[str, Any]) -> None: ...

    def rows(
        self, statement: str, parameters: Mapping[str, Any], size: int
    ) -> Iterator[tuple[Sequence[str], tuple[Any, ...]]]:
        """Column names and values, row by row; nothing for a statement without a result."""

    def commit(self) -> None: ...


class SqlTask(RunnableTask):
    url: str
    username: str | None = None
    password: str | None = None
    time_zone_id: str | None = None
    sql: str
    after_sql: str | None = Field(default=None, alias="afterSQL")
    parameters: Any = None
    fetch_type: str = "NONE"
    fetch_size: Any = 10_000
    # Older ways to say it.
    fetch: Any = None
    fetch_one: Any = None
    store: Any = None

    def opened(self, context: RunContext) -> AbstractContextManager[Database]:
        raise NotImplementedError(type(self).__name__)

    def mode(self, context: RunContext) -> str:
        old = {
            "fetchOne": ("FETCH_ONE", self.fetch_one),
            "fetch": ("FETCH", self.fetch),
            "store": ("STORE", self.store),
        }
        for name, (mode, value) in old.items():
            if value is not None and switch(context, value, name):
                return mode
        return one_of(str(context.render(self.fetch_type)), MODES, "fetchType")

    def given_parameters(self, context: RunContext) -> dict[str, Any]:
        found: dict[str, Any] = reveal(mapping(context, self.parameters, "parameters"))
        return found

    def wanted(self, context: RunContext) -> list[str]:
        found = self.split(str(context.render(self.sql)))
        if not found:
            raise TaskFailure("The property `sql` holds no statement")
        return found

    def split(self, sql: str) -> list[str]:
        return statements(sql)

    def fetched(self, context: RunContext, database: Database, statement: str, mode: str, name: str) -> Row:
        """Run it; the outputs for its result."""
        parameters = self.given_parameters(context)
        if mode == "NONE":
            database.run(statement, parameters)
            return {}
        size = number(context, self.fetch_size, "fetchSize") or 10_000
        rows = (_row(names, values) for names, values in database.rows(statement, parameters, size))
        outputs = _OUTPUTS[mode](context, rows, name)
        context.metric("fetch.size", outputs["size"])
        return outputs

    def finish(self, context: RunContext, database: Database) -> None:
        for statement in self.split(str(context.render(self.after_sql or ""))):
            database.run(statement, {})
        database.commit()


class QueryTask(SqlTask):
    """All statements in one transaction; the result is that of the last one."""

    def run(self, context: RunContext) -> dict[str, Json] | None:
        *before, last = self.wanted(context)
        mode = self.mode(context)
        with self.opened(context) as database:
            for statement in before:
                database.run(statement, self.given_parameters(context))
            outputs = self.fetched(context, database, last, mode, "result.ion")
            self.finish(context, database)
            return outputs | self.more_outputs(context)

    def more_outputs(self, context: RunContext) -> Row:
        return {}


class QueriesTask(SqlTask):
    """The results of all statements, in order."""

    transaction: Any = True

    def run(self, context: RunContext) -> dict[str, Json] | None:
        mode = self.mode(context)
        together = switch(context, self.transaction, "transaction")
        outputs = []
        with self.opened(context) as database:
            for position, statement in enumerate(self.wanted(context)):
                outputs.append(self.fetched(context, database, statement, mode, f"result-{position}.ion"))
                if not together:
                    database.commit()
            self.finish(context, database)
        return {"outputs": outputs}


def _one(context: RunContext, rows: Iterator[Row], name: str) -> Row:
    first = next(rows, None)
    return {"row": first, "size": 0 if first is None else 1}


def _all(context: RunContext, rows: Iterator[Row], name: str) -> Row:
    found = list(islice(rows, MOST_ROWS + 1))
    if len(found) > MOST_ROWS:
        raise TaskFailure(f"The result has more than {MOST_ROWS:,} rows; `fetchType: STORE` writes it to a file")
    return {"rows": found, "size": len(found)}


def _stored(context: RunContext, rows: Iterator[Row], name: str) -> Row:
    target = context.working_directory / name
    count = write_items(target, chain(rows))
    return {"uri": context.upload(target, name), "size": count}


_OUTPUTS = {"FETCH_ONE": _one, "FETCH": _all, "STORE": _stored}


def _row(names: Sequence[str], values: Sequence[Any]) -> Row:
    return {name: plain(value) for name, value in zip(names, values, strict=True)}


def plain(value: Any) -> Json:
    """A database's value as JSON and Ion have it."""
    if value is None or isinstance(value, _PLAIN):
        return value
    if isinstance(value, bytes | bytearray | memoryview):
        return base64.b64encode(bytes(value)).decode()
    if isinstance(value, UUID):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple | set):
        return [plain(item) for item in value]
    return str(value)


def jdbc_address(context: RunContext, url: str, scheme: str) -> str:
    """What stands behind `jdbc:<scheme>:`. Raises TaskFailure."""
    address = required(context, url, "url")
    prefix = f"jdbc:{scheme}:"
    if not address.startswith(prefix):
        raise TaskFailure(f"The property `url` must start with {prefix}")
    return str(address).removeprefix(prefix)
