"""`manage.py rotate_encryption`: everything encrypted in the database anew by the first key of CELESTA_ENCRYPTION_KEY."""

from typing import Any

import psycopg
from django.apps import apps
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.models import JSONField
from psycopg import sql

from executions import codec, encryption
from executions.models import AuditRecord

Connection = psycopg.Connection[Any]
BATCH = 200
PASSES = 20  # until one finds nothing more: what processes had in memory may be written once more under an older key
# What processes remember of an execution is read anew: it holds the older values.
_FORGET = "UPDATE executions SET version = version + 1, trimmed = version + 1 WHERE id = ANY(%s)"


class Command(BaseCommand):
    help = "Encrypt everything anew by the first key of CELESTA_ENCRYPTION_KEY (new,old); then the old key may go."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--dry-run", action="store_true", help="try it and roll back")

    def handle(self, *args: Any, **options: Any) -> None:
        if not encryption.is_configured():
            raise CommandError("encryption is off: CELESTA_ENCRYPTION_KEY is `none`")
        self._dry = options["dry_run"]
        total = 0
        with psycopg.connect(settings.DATABASE_DIRECT_DSN) as connection:
            connection.execute("SET lock_timeout = '30s'")
            try:
                for _ in range(1 if self._dry else PASSES):
                    found = self._pass(connection)
                    total += found
                    if not found:
                        break
                else:
                    if not self._dry:
                        raise CommandError(
                            "values of an older key keep coming: is it the first key of a running process?"
                        )
            except encryption.CannotDecrypt as error:
                raise CommandError(str(error)) from None
        self.stdout.write(f"{'would encrypt' if self._dry else 'encrypted'} {total} values anew")

    def _pass(self, connection: Connection) -> int:
        return self._secrets(connection) + sum(self._column(connection, *names) for names in _columns())

    def _secrets(self, connection: Connection) -> int:
        rows = connection.execute("SELECT id, value, namespace, key FROM secrets FOR UPDATE").fetchall()
        count = 0
        for number, value, namespace, key in rows:
            try:
                token = encryption.rotated({"type": encryption.TYPE, "value": value})["value"]
            except encryption.CannotDecrypt as error:
                raise CommandError(f"secret {key} of {namespace}: {error}") from None
            if token != value:
                connection.execute("UPDATE secrets SET value = %s WHERE id = %s", [token, number])
                count += 1
        self._settle(connection)
        return count

    def _column(self, connection: Connection, table: str, column: str) -> int:
        """In batches of rows locked for a moment; the execution before its task runs, as everywhere."""
        of_execution = {"executions": "t.id", "task_runs": "t.execution_id"}.get(table)
        names = {
            "table": sql.Identifier(table),
            "column": sql.Identifier(column),
            "execution": sql.SQL(of_execution or "NULL"),
            "join": sql.SQL("JOIN executions e ON e.id = t.execution_id" if table == "task_runs" else ""),
            "locked": sql.SQL("e, t" if table == "task_runs" else "t"),
        }
        read = sql.SQL(
            "SELECT t.id, t.{column}::text, {execution} FROM {table} t {join} WHERE ({after} IS NULL OR t.id > {after})"
            " AND strpos(t.{column}::text, {mark}) > 0 ORDER BY t.id LIMIT {limit} FOR UPDATE OF {locked}"
        )
        write = sql.SQL("UPDATE {table} SET {column} = %s::jsonb WHERE id = %s").format(**names)
        after, count = None, 0
        while True:
            query = read.format(
                **names, after=sql.Literal(after), mark=sql.Literal(encryption.TYPE), limit=sql.Literal(BATCH)
            )
            rows = connection.execute(query).fetchall()
            tried = [(_anew(text), number, execution) for number, text, execution in rows]
            changed = [one for one in tried if one[0] is not None]
            for text, number, _ in changed:
                connection.execute(write, [text, number])
            if of_execution is not None:
                connection.execute(_FORGET, [[execution for _, _, execution in changed]])
            self._settle(connection)
            count += len(changed)
            if len(rows) < BATCH:
                return count
            after = rows[-1][0]

    def _settle(self, connection: Connection) -> None:
        if self._dry:
            connection.rollback()
        else:
            connection.commit()


def _columns() -> list[tuple[str, str]]:
    """Every JSON column there is may hold sealed values; nothing of the audit is ever changed, nor does it hold any."""
    models = [model for label in ("flows", "executions") for model in apps.get_app_config(label).get_models()]
    return [
        (model._meta.db_table, str(field.column))
        for model in models
        for field in model._meta.fields
        if isinstance(field, JSONField) and model is not AuditRecord
    ]


def _anew(text: str) -> str | None:
    """None when all of it is under the first key already."""
    value = codec.loads(text)
    found = encryption.rotated(value)
    return None if found == value else codec.dumps(found)
