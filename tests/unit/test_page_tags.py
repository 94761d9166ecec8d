"""What templates of all pages share: trees of values, durations, states."""

from flows.pages import tags


def test_texts_of_a_tree_are_escaped() -> None:
    shown = tags.json_tree({"<b>": "<script>alert(1)</script>"})
    assert "<script>" not in shown and "<b>" not in shown
    assert "&lt;script&gt;" in shown


def test_a_stored_file_can_be_downloaded_from_where_it_stands() -> None:
    shown = tags.json_tree({"file": "kestra:///a/b c.txt"}, 2, "/file?path=")
    assert 'href="/file?path=kestra%3A%2F%2F%2Fa%2Fb%20c.txt"' in shown
    assert "href" not in tags.json_tree({"file": "kestra:///a"})


def test_a_secret_stays_unread_and_a_huge_value_is_cut() -> None:
    assert "abc" not in tags.json_tree({"password": {"value": "abc", "type": "io.kestra.datatype:aes_encrypted"}})
    assert "too large to show whole" in tags.json_tree(list(range(10_000)))


def test_a_line_of_a_log_is_shown_without_colours_and_names_an_execution_by_its_id() -> None:
    line = '\x1b[31mCreated\x1b[0m new execution [[link execution="0a1B" flowId="f" namespace="n"]]'
    assert tags.strip_ansi(line) == "Created new execution 0a1B"


def test_durations_read_as_people_say_them() -> None:
    told = [tags.duration_text(ms) for ms in (0, 999, 1_500, 102_000, 3_720_000, 90_000_000)]
    assert told == ["0 ms", "999 ms", "1.5 s", "1 m 42 s", "1 h 2 m", "1 d 1 h"]


def test_a_state_has_a_shape_and_a_word_beside_its_colour() -> None:
    shown = tags.state("FAILED")
    assert "#i-failed" in shown and "Failed" in shown and "s-failed" in shown
