"""Filters on texts."""

from __future__ import annotations

import base64
import binascii
import hashlib
import re
import unicodedata
from collections.abc import Mapping
from urllib.parse import quote_plus, unquote_plus

from flows.expressions.errors import ExpressionError
from flows.expressions.frame import Frame
from flows.expressions.operations import Operation, operation
from flows.expressions.output import text_of
from flows.expressions.patterns import all_matches, finds, replace_all, split_text
from flows.expressions.taint import is_tainted, spread


def upper(frame: Frame, value: object) -> object:
    return text_of(value).upper()


def lower(frame: Frame, value: object) -> object:
    return text_of(value).lower()


def trim(frame: Frame, value: object) -> object:
    return text_of(value).strip()


def capitalize(frame: Frame, value: object) -> object:
    text = text_of(value)
    start = len(text) - len(text.lstrip())
    return text[:start] + text[start : start + 1].upper() + text[start + 1 :]


def title(frame: Frame, value: object) -> object:
    return re.sub(r"(^|\s)(\S)", lambda match: match[1] + match[2].upper(), text_of(value))


def abbreviate(frame: Frame, value: object, length: object) -> object:
    text, width = text_of(value), _integer(length, "length")
    if width < 0:
        raise ExpressionError("Invalid argument to abbreviate filter; must be greater than zero")
    if len(text) <= width or len(text) <= 3:
        return text
    return text[:width] if width <= 3 else text[: width - 3] + "..."


def string(frame: Frame, value: object) -> object:
    return text_of(value)


def starts_with(frame: Frame, value: object, value_: object) -> object:
    return text_of(value).startswith(text_of(value_))


def ends_with(frame: Frame, value: object, value_: object) -> object:
    return text_of(value).endswith(text_of(value_))


def substring_before(frame: Frame, value: object, separator: object) -> object:
    text, mark = text_of(value), text_of(separator)
    return text.partition(mark)[0] if mark else ""


def substring_before_last(frame: Frame, value: object, separator: object) -> object:
    text, mark = text_of(value), text_of(separator)
    return text.rpartition(mark)[0] if mark and mark in text else text


def substring_after(frame: Frame, value: object, separator: object) -> object:
    text, mark = text_of(value), text_of(separator)
    return text.partition(mark)[2] if mark else text


def substring_after_last(frame: Frame, value: object, separator: object) -> object:
    text, mark = text_of(value), text_of(separator)
    return text.rpartition(mark)[2] if mark and mark in text else ""


def slugify(frame: Frame, value: object) -> object:
    """Accents off, words joined by one dash, everything else dropped (Kestra's Slugify)."""
    text = re.sub(r"\s+", "-", text_of(value).strip())
    plain = unicodedata.normalize("NFD", text).encode("ascii", "ignore").decode()
    return re.sub(r"-+", "-", re.sub(r"[^\w-]", "", plain)).strip("-").lower()


def replace(frame: Frame, value: object, replace_pairs: object, regexp: object = False) -> object:
    """Of each text in a map or a list, or of the text of anything else."""
    if not isinstance(replace_pairs, Mapping):
        raise ExpressionError("The 'replace' filter expects a map of what is to be replaced by what.")
    pairs = [(text_of(key), text_of(replace_pairs[key])) for key in replace_pairs]
    return _replaced(frame, value, pairs, regexp is True or regexp == "true")


def _replaced(frame: Frame, value: object, pairs: list[tuple[str, str]], by_pattern: bool) -> object:
    frame.budget.spend()
    if isinstance(value, Mapping):
        return {key: _replaced(frame, value[key], pairs, by_pattern) for key in value}
    if isinstance(value, (list, tuple)):
        return [_replaced(frame, item, pairs, by_pattern) for item in value]
    if value is None or (not isinstance(value, str) and isinstance(value, (bool, int, float))):
        text = text_of(value)
    else:
        text = text_of(value)
    for old, new in pairs:
        if by_pattern:
            text = replace_all(frame.budget, old, text, new)
        elif old:
            frame.budget.check_text(len(text) + text.count(old) * max(0, len(new) - len(old)))
            text = text.replace(old, new)
    return spread(text) if is_tainted(value) else text


def split(frame: Frame, value: object, delimiter: object, limit: object = 0) -> object:
    return split_text(frame.budget, text_of(value), text_of(delimiter), _integer(limit, "limit"))


def escape_char(frame: Frame, value: object, type_: object) -> object:
    text, kind = text_of(value), text_of(type_)
    if kind == "single":
        return text.replace("'", "\\'")
    if kind == "double":
        return text.replace('"', '\\"')
    if kind == "shell":
        return text.replace("'", "'\\''")
    raise ExpressionError(f"The 'escapeChar' filter expects 'single', 'double' or 'shell', not '{kind}'.")


def indent(frame: Frame, value: object, amount: object, prefix: object = " ") -> object:
    return _indented(frame, text_of(value), amount, prefix)


def nindent(frame: Frame, value: object, amount: object, prefix: object = " ") -> object:
    text = text_of(value)
    if not text:
        return text
    return _line_end(text) + _margin(frame, amount, prefix) + str(_indented(frame, text, amount, prefix))


def _indented(frame: Frame, text: str, amount: object, prefix: object) -> str:
    """Every line but the first, whatever its line end; at the end of the text too."""
    end, margin = _line_end(text), _margin(frame, amount, prefix)
    frame.budget.check_text(len(text) + text.count(end) * len(margin))
    return text.replace(end, end + margin)


def _margin(frame: Frame, amount: object, prefix: object) -> str:
    width, unit = _width(amount), text_of(prefix)
    frame.budget.check_text(width * len(unit))
    return unit * width


def _line_end(text: str) -> str:
    return next((end for end in ("\r\n", "\n", "\r") if end in text), "\n")


def _width(amount: object) -> int:
    width = _integer(amount, "amount")
    if not 0 <= width <= 10_000:
        raise ExpressionError("The indentation must be between 0 and 10000")
    return width


def urlencode(frame: Frame, value: object) -> object:
    # java.net.URLEncoder: the star is safe, the tilde is not.
    return quote_plus(text_of(value), safe="*").replace("~", "%7E")


def urldecode(frame: Frame, value: object) -> object:
    return unquote_plus(text_of(value))


def base64encode(frame: Frame, value: object) -> object:
    return base64.b64encode(text_of(value).encode()).decode()


def base64decode(frame: Frame, value: object) -> object:
    try:
        return base64.b64decode(text_of(value), validate=True).decode()
    except (binascii.Error, ValueError):
        raise ExpressionError("The text is not base64 of a UTF-8 text") from None


def regex_match(frame: Frame, value: object, regex: object) -> object:
    return finds(frame.budget, text_of(regex), text_of(value)) is not None


def regex_extract(frame: Frame, value: object, regex: object, group: object = 0) -> object:
    match = finds(frame.budget, text_of(regex), text_of(value))
    if match is None:
        return None
    try:
        return match.group(group if isinstance(group, str) else _integer(group, "group"))
    except IndexError:
        raise ExpressionError("The regular expression has no such group") from None


def regex_extract_all(frame: Frame, value: object, regex: object) -> object:
    return [match.group() for match in all_matches(frame.budget, text_of(regex), text_of(value))]


def regex_replace(frame: Frame, value: object, regex: object, replacement: object) -> object:
    return replace_all(frame.budget, text_of(regex), text_of(value), text_of(replacement))


def md5(frame: Frame, value: object) -> object:
    return hashlib.md5(text_of(value).encode(), usedforsecurity=False).hexdigest()


def sha1(frame: Frame, value: object) -> object:
    return hashlib.sha1(text_of(value).encode(), usedforsecurity=False).hexdigest()


def sha256(frame: Frame, value: object) -> object:
    return hashlib.sha256(text_of(value).encode()).hexdigest()


def sha512(frame: Frame, value: object) -> object:
    return hashlib.sha512(text_of(value).encode()).hexdigest()


def _integer(value: object, name: str) -> int:
    if isinstance(value, int) and not isinstance(value, bool):
        return int(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    if isinstance(value, str) and re.fullmatch(r"-?\d{1,9}", value):
        return int(value)
    raise ExpressionError(f"The argument '{name}' must be an integer")


STRINGS: dict[str, Operation] = {
    "abbreviate": operation(abbreviate),
    "base64decode": operation(base64decode),
    "base64encode": operation(base64encode),
    "capitalize": operation(capitalize),
    "endsWith": operation(ends_with),
    "escapeChar": operation(escape_char),
    "indent": operation(indent),
    "lower": operation(lower),
    "md5": operation(md5),
    "nindent": operation(nindent),
    "regexExtract": operation(regex_extract),
    "regexExtractAll": operation(regex_extract_all),
    "regexMatch": operation(regex_match),
    "regexReplace": operation(regex_replace),
    "replace": operation(replace),
    "sha1": operation(sha1),
    "sha256": operation(sha256),
    "sha512": operation(sha512),
    "slugify": operation(slugify),
    "split": operation(split),
    "startsWith": operation(starts_with),
    "string": operation(string, takes_null=True),
    "substringAfter": operation(substring_after),
    "substringAfterLast": operation(substring_after_last),
    "substringBefore": operation(substring_before),
    "substringBeforeLast": operation(substring_before_last),
    "title": operation(title),
    "trim": operation(trim),
    "upper": operation(upper),
    "urldecode": operation(urldecode),
    "urlencode": operation(urlencode),
}
