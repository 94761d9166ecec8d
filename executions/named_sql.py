"""Loads a `.sql` file of named statements (`-- name: claim`). Knows nothing of what they do."""

import re
from functools import cache
from pathlib import Path

_HEADER = re.compile(r"^-- name: (\w+)[^\n]*\n", re.MULTILINE)


@cache
def load(path: Path) -> dict[str, str]:
    """Statement texts by name; comment lines after a header stay out of what the server sees."""
    parts = _HEADER.split(path.read_text(encoding="utf-8"))
    return {name: _bare(body) for name, body in zip(parts[1::2], parts[2::2], strict=True)}


def _bare(body: str) -> str:
    lines = (line for line in body.splitlines() if not line.lstrip().startswith("--"))
    return "\n".join(line for line in lines if line.strip()).rstrip(";")
