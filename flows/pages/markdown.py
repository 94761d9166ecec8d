"""Descriptions that people write in Markdown, as HTML that is safe to show: no HTML of theirs, no image, no script link."""

from collections.abc import Iterator, Sequence

from django.utils.safestring import SafeString, mark_safe
from markdown_it import MarkdownIt
from markdown_it.token import Token

# `js-default` escapes HTML and refuses links such as javascript:; an image would be a request to another host.
_READER = MarkdownIt("js-default").disable("image")
_DEEPER = 2  # a description's own title stands below the page's


def to_html(text: str) -> SafeString:
    tokens = _READER.parse(text)
    for token in tokens:
        if token.type in ("heading_open", "heading_close"):
            token.tag = f"h{min(6, int(token.tag[1]) + _DEEPER)}"
        for child in token.children or ():
            if child.type == "link_open":
                child.attrSet("rel", "noopener noreferrer")
    return mark_safe(str(_READER.renderer.render(tokens, _READER.options, {})))


def first_line(text: str) -> str:
    """Its first paragraph or title without any mark, for lists."""
    first = next((token for token in _READER.parse(text) if token.type == "inline"), None)
    return "".join(_words(first.children or ())) if first else ""


def _words(tokens: Sequence[Token]) -> Iterator[str]:
    for token in tokens:
        yield " " if token.type in ("softbreak", "hardbreak") else token.content
