"""The documents made from the code: nothing that a flow may use is missing, and an outdated one is found."""

from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from executions.api.control import ACTIONS
from flows.definition.model import Flow
from flows.definition.states import State
from flows.tasks.aliases import ALIASES
from flows.tasks.registry import CONDITIONS, TASKS, TRIGGERS
from orchestrator_site import compatibility, documents


def test_everything_a_flow_may_use_is_in_the_compatibility_page() -> None:
    page = documents.documents()["kestra_compatibility.md"]
    named = [*TASKS, *TRIGGERS, *CONDITIONS, *ALIASES, *State, *ACTIONS]
    named += [field.alias or name for name, field in Flow.model_fields.items()]
    assert [name for name in named if f"`{name}`" not in page and name != "plugin_defaults"] == []


def test_a_note_is_about_something_that_is_there() -> None:
    page = documents.documents()["kestra_compatibility.md"]
    notes = [compatibility.FLOW, compatibility.TASK, compatibility.TRIGGER, compatibility.INPUTS, compatibility.TYPES]
    for name, (status, text) in [item for one in notes for item in one.items()]:
        assert f"| `{name}` | {status} | {text}" in page, name


def test_an_outdated_document_is_told_and_mended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "FOLDER", tmp_path)
    monkeypatch.setattr(documents, "outdated", lambda folder=tmp_path, real=documents.outdated: real(folder))
    assert documents.write(tmp_path) == ["kestra_compatibility.md", "state_machine.md"]
    call_command("write_docs", check=True)
    (tmp_path / "state_machine.md").write_text("older")
    with pytest.raises(CommandError, match="state_machine"):
        call_command("write_docs", check=True)
    assert documents.write(tmp_path) == ["state_machine.md"]
    assert documents.write(tmp_path) == []
