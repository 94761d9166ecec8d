"""Writes the documents that tell what the code says: compatibility with Kestra, and the state machine."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from pydantic import BaseModel

from executions.api.control import ACTIONS
from executions.transitions import control
from flows.definition.input_types import INPUT_MODELS
from flows.definition.model import Flow
from flows.definition.states import EXECUTION_MOVES, TASK_RUN_MOVES, TERMINAL, State
from flows.tasks.aliases import ALIASES
from flows.tasks.base import Task
from flows.tasks.registry import CONDITIONS, TASKS, TRIGGERS, find
from flows.triggers.base import Trigger
from orchestrator_site import compatibility as facts

FOLDER = Path(__file__).resolve().parent.parent / "docs"
_MADE = "<!-- made by `make docs`; change the code, or orchestrator_site/compatibility.py -->\n"


def documents() -> dict[str, str]:
    """Texts by file name."""
    return {"kestra_compatibility.md": _compatibility(), "state_machine.md": _state_machine()}


def outdated(folder: Path = FOLDER) -> list[str]:
    return [name for name, text in documents().items() if not _is_there(folder / name, text)]


def write(folder: Path = FOLDER) -> list[str]:
    """The names of those that have changed."""
    changed = outdated(folder)
    texts = documents()
    for name in changed:
        (folder / name).write_text(texts[name], encoding="utf-8")
    return changed


def _is_there(path: Path, text: str) -> bool:
    return path.exists() and path.read_text(encoding="utf-8") == text


def _compatibility() -> str:
    return "\n".join(
        [
            "# Compatibility with Kestra",
            "",
            _MADE,
            "The measure is Kestra 1.3: its YAML, its REST API, the states and outputs of its executions. Its 0.2x paths and",
            "2.0's `/actions/…` and `/outputs/…` are answered too. *supported* means: as in Kestra, as far as its own test",
            "cases (`make conformance`) and ours tell. *differs* says how and why. *not yet* is read without effect, or refused.",
            "",
            *_section("Properties of a flow", _properties(Flow, facts.FLOW)),
            *_section("Properties of every task", _properties(Task, facts.TASK)),
            *_section("Properties of every trigger", _properties(Trigger, facts.TRIGGER)),
            *_section("Types of inputs", _rows(sorted(INPUT_MODELS), facts.INPUTS)),
            *_section("Tasks", _types("task", TASKS)),
            *_section("Triggers", _types("trigger", TRIGGERS)),
            *_section("Conditions", _types("condition", CONDITIONS)),
            *_section("States", _rows([state.value for state in State], {})),
            *_section("Actions on executions", _rows([*sorted(ACTIONS), "replay-from", "bulk", "eval"], facts.ACTIONS)),
            "## Cases of the judge that are not met",
            "",
            *([f"- `{name}`: {reason}." for name, reason in facts.CASES.items()] or ["None is known."]),
            "",
            "## Kestra's known quirks",
            "",
            "Kept where flows rely on them, mended where they lose work, hang or surprise.",
            "",
            "| in Kestra | here | |",
            "|---|---|---|",
            *(f"| {what} | {done} | {how} |" for what, done, how in facts.TRAPS),
            "",
        ]
    )


def _section(title: str, rows: Iterable[str]) -> Iterator[str]:
    yield from (f"## {title}", "", "| name | | |", "|---|---|---|", *rows, "")


def _row(name: str, note: facts.Note | None, more: str = "") -> str:
    status, text = note or ("supported", "")
    words = "; ".join(part for part in (text, more) if part)
    return f"| `{name}` | {status} | {words} |".replace("|  |", "| |")


def _rows(names: Iterable[str], notes: Mapping[str, facts.Note]) -> Iterator[str]:
    yield from (_row(name, notes.get(name)) for name in names)


def _properties(model: type[BaseModel], notes: Mapping[str, facts.Note]) -> Iterator[str]:
    names = [field.alias or name for name, field in model.model_fields.items()]
    names = ["pluginDefaults" if name == "plugin_defaults" else name for name in names]
    yield from _rows(names, notes)


def _types(kind: str, known: Mapping[str, str]) -> Iterator[str]:
    """Every type with its own properties; types of Kestra's core that are missing stand among them."""
    missing = [name for name in facts.MISSING if (".trigger" in name.lower()) == (kind == "trigger")]
    listed = sorted([*known, *(missing if kind != "condition" else ())])
    for name in listed:
        yield _row(name, facts.TYPES.get(name), _told_of(name, kind) if name in known else _older_names(name))


def _told_of(name: str, kind: str) -> str:
    model: type[BaseModel] = find(name, kind)
    shared = {"task": set(Task.model_fields), "trigger": set(Trigger.model_fields)}.get(kind, {"type"})
    own = [field.alias or key for key, field in model.model_fields.items() if key not in shared]
    parts = [", ".join(f"`{one}`" for one in own), _older_names(name)]
    return "; ".join(part for part in parts if part)


def _older_names(name: str) -> str:
    older = sorted(alias for alias, present in ALIASES.items() if present == name)
    return f"also {', '.join(f'`{one}`' for one in older)}" if older else ""


def _state_machine() -> str:
    return "\n".join(
        [
            "# States and their moves",
            "",
            _MADE,
            "From `flows/definition/states.py`, which alone decides what is legal: any other move raises. Terminal states:",
            f"{', '.join(f'`{state}`' for state in State if state in TERMINAL)}.",
            "",
            "## Executions",
            "",
            *_diagram(EXECUTION_MOVES, State.CREATED),
            *_table(EXECUTION_MOVES),
            "## Task runs and attempts",
            "",
            *_diagram(TASK_RUN_MOVES, State.CREATED),
            *_table(TASK_RUN_MOVES),
            "## Actions by state",
            "",
            "What a user may do to an execution in which state (`executions/transitions/control.py`). Anything else is refused",
            "with 409, or 422 where Kestra does so, and the reason. Deleting works in every state.",
            "",
            f"| | {' | '.join(control.ACTS_IN)} |",
            f"|---|{'---|' * len(control.ACTS_IN)}",
            *(
                f"| `{state}` | {' | '.join('yes' if state in states else '–' for states in control.ACTS_IN.values())} |"
                for state in State
            ),
            "",
        ]
    )


def _diagram(moves: Mapping[State, Iterable[State]], start: State) -> Iterator[str]:
    """Moves between ends (a status changed by hand) are left to the table."""
    yield from ("```mermaid", "stateDiagram-v2", f"    [*] --> {start}")
    for before in State:
        after = set(moves.get(before, ()))
        yield from (f"    {before} --> {one}" for one in State if one in after and not {before, one} <= TERMINAL)
    yield from ("```", "")


def _table(moves: Mapping[State, Iterable[State]]) -> Iterator[str]:
    yield from ("| from | to |", "|---|---|")
    for before in State:
        after = set(moves.get(before, ()))
        if after:
            yield f"| `{before}` | {', '.join(f'`{one}`' for one in State if one in after)} |"
    yield ""
