"""`manage.py rotate_encryption`: everything encrypted in the database anew by the first key of CELESTA_ENCRYPTION_KEY."""

from typing import Any

import psycopg
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from psycopg import sql

from executions import codec, encryption

BATCH = 200
# jsonb columns that may hold sealed values, by table.
COLUMNS = {
    "executions": ("inputs", "outputs", "variables", "trigger", "memory"),
    "task_runs": ("outputs", "memory"),
    "payloads": ("value",),
    "worker_jobs": ("payload",),
    "queues": ("body",),
    "timers": ("variables",),
    "key_values": ("value",),
    "dead_letters": ("body",),
}


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
                total += self._secrets(connection)
                for table, columns in COLUMNS.items():
                    for column in columns:
                        total += self._column(connection, table, column)
            except encryption.CannotDecrypt as error:
                raise CommandError(str(error)) from None
        self.stdout.write(f"{'would encrypt' if self._dry else 'encrypted'} {total} values anew")

    def _secrets(self, connection: "psycopg.Connection[Any]") -> int:
        rows = connection.execute("SELECT id, value, namespace, key FROM secrets FOR UPDATE").fetchall()
        for number, value, namespace, key in rows:
            try:
                token = encryption.rotated({"type": encryption.TYPE, "value": value})["value"]
            except encryption.CannotDecrypt as error:
                raise CommandError(f"secret {key} of {namespace}: {error}") from None
            connection.execute("UPDATE secrets SET value = %s WHERE id = %s", [token, number])
        self._settle(connection)
        return len(rows)

    def _column(self, connection: "psycopg.Connection[Any]", table: str, column: str) -> int:
        """In batches of rows locked for a moment; what executions write meanwhile is under the first key already."""
        names = {"table": sql.Identifier(table), "column": sql.Identifier(column)}
        read = sql.SQL(
            "SELECT id, {column}::text FROM {table} WHERE ({after}::text IS NULL OR id > {after}{cast})"
            " AND strpos({column}::text, {mark}) > 0 ORDER BY id LIMIT {limit} FOR UPDATE"
        )
        cast = sql.SQL("::uuid" if table in ("executions", "task_runs") else "::bigint")
        write = sql.SQL("UPDATE {table} SET {column} = %s::jsonb WHERE id = %s").format(**names)
        after, count = None, 0
        while True:
            query = read.format(
                **names,
                after=sql.Literal(after),
                cast=cast,
                mark=sql.Literal(encryption.TYPE),
                limit=sql.Literal(BATCH),
            )
            rows = connection.execute(query).fetchall()
            for number, text in rows:
                connection.execute(write, [codec.dumps(encryption.rotated(codec.loads(text))), number])
            self._settle(connection)
            count += len(rows)
            if len(rows) < BATCH:
                return count
            after = str(rows[-1][0])

    def _settle(self, connection: "psycopg.Connection[Any]") -> None:
        if self._dry:
            connection.rollback()
        else:
            connection.commit()
