"""SQL text cut into statements and named parameters, aware of quotes, comments and PostgreSQL's dollar quotes. Pure."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

_TOKEN = re.compile(
    r"""(?P<skip>'(?:[^']|'')*'|"(?:[^"]|"")*"|--[^\n]*|/\*.*?\*/|\$(?P<tag>\w*)\$.*?\$(?P=tag)\$|::)
    |(?P<end>;)
    |:(?P<name>[A-Za-z_]\w*)
    |(?P<percent>%)""",
    re.VERBOSE | re.DOTALL,
)
_EMPTY = re.compile(r"(?:\s|--[^\n]*(?:\n|$)|/\*.*?\*/)*", re.DOTALL)


def statements(sql: str) -> list[str]:
    """Without the semicolons between them; empty ones are left out."""
    found, begin = [], 0
    for match in _TOKEN.finditer(sql):
        if match["end"]:
            found.append(sql[begin : match.start()])
            begin = match.end()
    found.append(sql[begin:])
    return [statement.strip() for statement in found if not _EMPTY.fullmatch(statement)]


def names_in(statement: str) -> Iterator[str]:
    """Of its `:name` parameters."""
    return (match["name"] for match in _TOKEN.finditer(statement) if match["name"])


def for_psycopg(statement: str, known: Mapping[str, Any]) -> str:
    """`:name` as `%(name)s` where such a parameter is given, other signs escaped."""

    def replaced(match: "re.Match[str]") -> str:
        if match["name"] and match["name"] in known:
            return f"%({match['name']})s"
        return match[0].replace("%", "%%")

    return _TOKEN.sub(replaced, statement)
