"""What the templates of all pages share: states with their shape, times, durations, JSON. Reads nothing."""

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

import orjson
from django import template
from django.http import QueryDict
from django.utils.html import format_html
from django.utils.safestring import SafeString, mark_safe

from flows.pages.markdown import first_line, to_html

register = template.Library()

_ICONS = {
    "CREATED": "created",
    "QUEUED": "queued",
    "RUNNING": "running",
    "PAUSED": "paused",
    "SUCCESS": "success",
    "WARNING": "warning",
    "FAILED": "failed",
    "KILLED": "killed",
    "KILLING": "killed",
    "CANCELLED": "cancelled",
    "SKIPPED": "skipped",
    "RETRYING": "retrying",
    "RETRIED": "retrying",
    "RESTARTED": "retrying",
    "BREAKPOINT": "paused",
}


@register.simple_tag
def icon(name: str, label: str = "") -> SafeString:
    """One symbol of the sprite in base.html; decoration unless it is given a label."""
    if label:
        return format_html('<svg class="icon" role="img" aria-label="{}"><use href="#i-{}"/></svg>', label, name)
    return format_html('<svg class="icon" aria-hidden="true"><use href="#i-{}"/></svg>', name)


@register.simple_tag
def state(name: str) -> SafeString:
    """Colour, shape and word: never colour alone."""
    shape = _ICONS.get(name, "created")
    return format_html(
        '<span class="state s-{}"><svg class="icon" aria-hidden="true"><use href="#i-{}"/></svg>{}</span>',
        name.lower(),
        shape,
        name.capitalize(),
    )


@register.simple_tag
def state_dot(name: str, title: str = "") -> SafeString:
    return format_html(
        '<span class="dot s-{}" title="{}"><svg class="icon" aria-hidden="true"><use href="#i-{}"/></svg>'
        '<span class="sr">{}</span></span>',
        name.lower(),
        title or name.capitalize(),
        _ICONS.get(name, "created"),
        name.capitalize(),
    )


def duration_text(milliseconds: float) -> str:
    """`1 m 42 s`, as in base.js."""
    if milliseconds < 1000:
        return f"{max(0, round(milliseconds))} ms"
    seconds = milliseconds / 1000
    if seconds < 60:
        return f"{seconds:.1f} s"
    whole = int(seconds)
    if whole < 3600:
        return f"{whole // 60} m {whole % 60} s"
    if whole < 86400:
        return f"{whole // 3600} h {whole % 3600 // 60} m"
    return f"{whole // 86400} d {whole % 86400 // 3600} h"


@register.simple_tag
def duration(length: Any) -> str:
    if length is None:
        return ""
    if isinstance(length, timedelta):
        length = length.total_seconds() * 1000
    return duration_text(length)


@register.simple_tag
def ticking(start: datetime | None, end: datetime | None = None) -> SafeString:
    """A duration; one without an end goes on counting in the browser."""
    if start is None:
        return mark_safe("")
    text = duration_text(((end or datetime.now(UTC)) - start).total_seconds() * 1000)
    if end:
        return format_html('<span class="num">{}</span>', text)
    return format_html('<span class="num" data-since="{}">{}</span>', start.isoformat(), text)


@register.simple_tag
def ago(moment: datetime | None) -> SafeString:
    """Relative, with the exact time (in the reader's zone, by base.js) on hover."""
    if moment is None:
        return mark_safe("")
    seconds = (datetime.now(UTC) - moment).total_seconds()
    size = abs(seconds)
    unit = next(
        text
        for limit, text in (
            (10, "now"),
            (60, f"{int(size)} s"),
            (3600, f"{int(size // 60)} m"),
            (86400, f"{int(size // 3600)} h"),
            (float("inf"), f"{int(size // 86400)} d"),
        )
        if size < limit
    )
    text = unit if unit == "now" else f"{unit} ago" if seconds > 0 else f"in {unit}"
    stamp = moment.astimezone(UTC)
    return format_html(
        '<time datetime="{}" title="{}" data-ago>{}</time>',
        stamp.isoformat(),
        f"{stamp:%Y-%m-%d %H:%M:%S} UTC",
        text,
    )


@register.simple_tag
def clock(moment: datetime) -> SafeString:
    """The time of the day, with the date when it is not today's; in the reader's zone, by base.js."""
    stamp = moment.astimezone(UTC)
    form = "%H:%M:%S" if stamp.date() == datetime.now(UTC).date() else "%m-%d %H:%M:%S"
    return format_html('<time datetime="{}" data-clock>{}</time>', stamp.isoformat(), f"{stamp:{form}}")


@register.simple_tag(takes_context=True)
def query(context: template.Context, **changes: Any) -> str:
    """The page's own query string with some parameters changed; an empty value takes one away."""
    parameters: QueryDict = context["request"].GET.copy()
    for name, value in changes.items():
        if value in ("", None):
            parameters.pop(name, None)
        else:
            parameters[name] = str(value)
    text = parameters.urlencode()
    return f"?{text}" if text else "?"


@register.filter
def markdown(text: str | None) -> SafeString:
    return to_html(str(text or ""))


@register.filter
def markdown_line(text: str | None) -> str:
    return first_line(str(text or ""))


@register.filter
def pretty_json(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2, default=str).decode()


@register.filter
def bytes_text(size: int | None) -> str:
    if size is None:
        return ""
    amount = float(size)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} TB"


_TREE_NODES = 2000
_TREE_TEXT = 20_000


@register.simple_tag
def json_tree(value: Any, open_levels: int = 2, file_base: str = "") -> SafeString:
    """A value to look into; what is beyond 2,000 nodes is told, not shown.

    `file_base`: the address to which a stored file's own is added, so that it can be downloaded.
    """
    parts: list[str] = ['<div class="tree">']
    left = _branch(parts, None, value, open_levels, _TREE_NODES, file_base)
    if left <= 0:
        parts.append('<span class="leaf muted">… too large to show whole: read it over the API</span>')
    parts.append("</div>")
    return mark_safe("".join(parts))  # every text in it was escaped by format_html


def _branch(parts: list[str], key: str | None, value: Any, open_levels: int, left: int, file_base: str) -> int:
    """Writes one node; returns how many more may follow."""
    if left <= 0:
        return 0
    name = format_html('<span class="key">{}</span>: ', key) if key is not None else ""
    if isinstance(value, dict) and str(value.get("type", "")).endswith(":aes_encrypted"):
        value = "••••••"  # a secret: only expressions of the execution read it
    if not isinstance(value, (dict, list)) or not value:
        parts.append(f'<span class="leaf">{name}{_leaf(value, file_base)}</span>')
        return left - 1
    count = f"{len(value)} {'key' if isinstance(value, dict) else 'item'}{'' if len(value) == 1 else 's'}"
    opened = " open" if open_levels > 0 and len(value) <= 50 else ""
    parts.append(f'<details{opened}><summary>{name}<span class="muted">{count}</span></summary><ul>')
    items = value.items() if isinstance(value, dict) else ((str(number), item) for number, item in enumerate(value))
    left -= 1
    for name_of, item in items:
        parts.append("<li>")
        left = _branch(parts, str(name_of), item, open_levels - 1, left, file_base)
        parts.append("</li>")
        if left <= 0:
            break
    parts.append("</ul></details>")
    return left


def _leaf(value: Any, file_base: str) -> SafeString:
    if file_base and isinstance(value, str) and value.startswith("kestra://"):
        return format_html('<a href="{}{}" download>{}</a>', file_base, quote(value, safe=""), value)
    if isinstance(value, str):
        cut = value if len(value) <= _TREE_TEXT else value[:_TREE_TEXT] + f"… ({len(value)} characters)"
        return format_html('<span class="string">{}</span>', cut)
    if isinstance(value, bool) or value is None:
        return format_html('<span class="word">{}</span>', "null" if value is None else str(value).lower())
    if isinstance(value, (int, float)):
        return format_html('<span class="number">{}</span>', value)
    return format_html("{}", "{}" if isinstance(value, dict) else "[]" if isinstance(value, list) else str(value))


@register.simple_tag
def state_icon(name: str) -> SafeString:
    return icon(_ICONS.get(name, "created"))


_ANSI = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]")
_LINK = re.compile(r'\[\[link execution="([0-9A-Za-z_-]+)"[^\]]*\]\]')


@register.filter
def strip_ansi(text: str) -> str:
    """A log line without terminal colours; of an execution that it names, the id."""
    return _LINK.sub(r"\1", _ANSI.sub("", text))
