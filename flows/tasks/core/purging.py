"""core.kv.PurgeKV and core.namespace.PurgeFiles: what many namespaces no longer need."""

from collections.abc import Iterable
from datetime import datetime
from fnmatch import fnmatchcase
from typing import Any, Literal

from pydantic import Field

from flows.definition.strict import Strict
from flows.tasks.base import Json, RunContext, RunnableTask, TaskFailure
from flows.tasks.core.namespace_files import matching
from flows.tasks.core.rendering import moment, number, switch, text, texts


class ByKey(Strict):
    """Pairs past their time to live, or all."""

    type: Literal["key", "io.kestra.plugin.core.kv.Key"]
    expired_only: Any = True


class ByVersion(Strict):
    """Older versions: those replaced before a date, or all but so many."""

    type: Literal["version", "io.kestra.plugin.core.kv.Version", "io.kestra.plugin.core.namespace.Version"]
    before: str | None = None
    keep_amount: Any = None

    def rendered(self, context: RunContext) -> tuple[datetime | None, int | None]:
        if (self.before is None) == (self.keep_amount is None):
            raise TaskFailure("`behavior` needs one of `before` and `keepAmount`")
        before = moment(context, self.before, "behavior.before")
        kept = number(context, self.keep_amount, "behavior.keepAmount")
        if kept is not None and kept < 1:
            raise TaskFailure(f"The property `behavior.keepAmount` must be at least 1, not {kept}")
        return before, kept


class PurgeTask(RunnableTask):
    namespaces: Any = None
    namespace_pattern: str | None = None
    include_child_namespaces: Any = True

    def chosen(self, context: RunContext, known: Iterable[str]) -> set[str]:
        """Those of the known namespaces that are meant."""
        names = texts(context, self.namespaces, "namespaces")
        pattern = text(context, self.namespace_pattern)
        if names and pattern:
            raise TaskFailure("`namespaces` and `namespacePattern` exclude each other")
        if pattern:
            return {one for one in known if fnmatchcase(one, pattern)}
        if not names:
            return set(known)
        with_children = switch(context, self.include_child_namespaces, "includeChildNamespaces")
        below = tuple(f"{name}." for name in names) if with_children else ()
        return {one for one in known if one in names or one.startswith(below)}


class PurgeKV(PurgeTask):
    """`expiredOnly` is the older way to say so."""

    key_pattern: str | None = None
    behavior: ByKey | ByVersion = Field(default=ByKey(type="key"), discriminator="type")
    expired_only: Any = None

    def run(self, context: RunContext) -> dict[str, Json] | None:
        if isinstance(self.behavior, ByVersion):
            self.behavior.rendered(context)
            context.log("INFO", "Only current versions of pairs are kept: there are no older ones to purge")
            return {"size": 0}
        given = self.behavior.expired_only if self.expired_only is None else self.expired_only
        expired_only = switch(context, given, "expiredOnly")
        pairs = context.platform.kv_everywhere(expired_only=expired_only)
        wanted = self.chosen(context, {namespace for namespace, _ in pairs})
        pattern = text(context, self.key_pattern) or "*"
        purged = context.platform.kv_purge(
            [(namespace, key) for namespace, key in pairs if namespace in wanted and fnmatchcase(key, pattern)],
            expired_only=expired_only,
        )
        context.log("INFO", f"{purged} key-value pairs purged")
        context.metric("count", purged)
        return {"size": purged}


class PurgeFiles(PurgeTask):
    """Older contents of namespace files, never the current ones."""

    file_pattern: str | None = None
    behavior: ByVersion = Field(default=ByVersion(type="version", keep_amount=1))

    def run(self, context: RunContext) -> dict[str, Json] | None:
        before, keep = self.behavior.rendered(context)
        pattern, platform, purged = text(context, self.file_pattern), context.platform, 0
        for namespace in sorted(self.chosen(context, platform.namespaces_with_old_files())):
            names = platform.old_files(namespace)
            for name in matching(names, [pattern]) if pattern else names:
                purged += platform.purge_old_files(namespace, name, before=before, keep=keep)
        context.log("INFO", f"{purged} older contents of files purged")
        context.metric("count", purged)
        return {"size": purged}
