"""What the editor proposes and explains: every registered type and property is there, with a text."""

from flows.pages import completion, editor
from flows.tasks import registry


def test_every_task_and_trigger_type_is_proposed() -> None:
    words = completion.words()
    assert "io.kestra.plugin.core.log.Log" in words["tasks"]
    assert set(words["triggers"]) == set(registry.TRIGGERS)
    assert {"STRING", "FILE", "SELECT"} <= set(words["inputs"])
    assert {"id", "namespace", "tasks", "triggers", "inputs"} <= set(words["flow"])


def test_types_of_the_core_and_what_all_tasks_share_are_explained() -> None:
    words = completion.words()
    core = {name: told for name, told in words["tasks"].items() if name.startswith("io.kestra.plugin.core.")}
    assert not [name for name, told in core.items() if not told["doc"]]
    log = words["tasks"]["io.kestra.plugin.core.log.Log"]["properties"]
    assert log["message"]["required"] and log["message"]["doc"]
    assert log["runIf"]["doc"] and not log["runIf"]["required"]


def test_a_difference_has_the_numbers_of_both_sides() -> None:
    lines = editor.difference("a\nb\nc\n", "a\nx\nc\n")
    assert [(line["kind"], line["old"], line["new"], line["text"]) for line in lines] == [
        ("same", 1, 1, "a"),
        ("gone", 2, "", "b"),
        ("come", "", 2, "x"),
        ("same", 3, 3, "c"),
    ]
