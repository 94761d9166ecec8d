"""Questions to the outside (secret, kv, read, …): arguments checked and made plain, then Services asked."""

from __future__ import annotations

from flows.expressions.errors import ExpressionError
from flows.expressions.frame import Frame
from flows.expressions.java_text import java_string
from flows.expressions.json_text import check_written, to_plain
from flows.expressions.taint import reveal, spread

# Arguments of the functions that Services answers, in order.
SERVICE_FUNCTIONS: dict[str, tuple[str, ...]] = {
    "secret": ("key", "namespace", "subkey"),
    "kv": ("key", "namespace", "errorOnMissing"),
    "read": ("path", "namespace"),
    "fileSize": ("path", "namespace"),
    "fileExists": ("path", "namespace"),
    "isFileEmpty": ("path", "namespace"),
    "fileEmpty": ("path", "namespace"),
    "http": (
        "uri", "method", "query", "body", "contentType", "accept", "headers", "auth", "options", "trigger",
    ),
    "errorLogs": (),
    "encrypt": ("key", "plaintext"),
    "isPublicHoliday": ("date", "countryCode", "subDivision"),
}  # fmt: skip
REQUIRED = {
    "secret": ("key",), "kv": ("key",), "read": ("path",), "fileSize": ("path",), "fileExists": ("path",),
    "isFileEmpty": ("path",), "fileEmpty": ("path",), "http": ("uri",), "encrypt": ("key", "plaintext"),
    "isPublicHoliday": ("date", "countryCode"),
}  # fmt: skip
MAX_ITEMS = 200_000  # of one argument
SECRET_ANSWERS = frozenset({"secret"})
TEXTS = frozenset({"key", "namespace", "subkey", "path", "uri", "method", "plaintext"})


def ask(frame: Frame, name: str, values: dict[str, object]) -> object:
    """The answer of Services; what `secret` gives is secret from its first character."""
    for required in REQUIRED.get(name, ()):
        if values.get(required) is None:
            raise ExpressionError(f"The '{name}' function expects an argument '{required}'.")
    arguments: dict[str, object] = {}
    for argument, value in values.items():
        if value is None:
            continue
        clear = reveal(to_plain(value))
        check_written(clear, MAX_ITEMS)
        arguments[argument] = java_string(clear) if argument in TEXTS and not isinstance(clear, str) else clear
    answer = frame.services.call(name, arguments)
    return spread(answer, java_string) if name in SECRET_ANSWERS else answer
