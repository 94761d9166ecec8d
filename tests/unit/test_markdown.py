"""Descriptions of flows: Markdown is shown, nothing of it runs or asks another host."""

import pytest

from flows.pages.markdown import first_line, to_html


def test_titles_lists_and_code_are_shown_below_the_title_of_the_page() -> None:
    html = to_html("# Load\n\nReads **all** rows:\n\n- one\n- `two`\n")
    assert "<h3>Load</h3>" in html and "<strong>all</strong>" in html
    assert "<li>one</li>" in html and "<code>two</code>" in html


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "[x](javascript:alert(1))",
        "[x](JaVaScRiPt:alert(1))",
        "[x](data:text/html;base64,PHNjcmlwdD4=)",
        "[x](vbscript:x)",
        "<javascript:alert(1)>",
        "![x](https://example.com/pixel.gif)",
        '[x](/a "onmouseover=alert(1)")',
        "```html\n<script>\n```",
    ],
)
def test_what_could_run_or_be_fetched_is_shown_as_text(text: str) -> None:
    html = to_html(text).lower()
    assert "<script" not in html and "<img" not in html
    assert not any(f'href="{kind}:' in html for kind in ("javascript", "data", "vbscript"))
    assert " onerror=" not in html.replace("&lt;img src=x onerror", "") and ' onmouseover="' not in html


def test_a_list_shows_the_first_line_without_marks() -> None:
    assert first_line("## **Nightly** [report](https://example.com)\n\nMore.") == "Nightly report"
    assert first_line("one\ntwo") == "one two"
    assert first_line("") == ""
