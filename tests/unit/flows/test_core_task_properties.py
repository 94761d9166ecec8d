"""Every core task refuses what it does not know or cannot do without, and says where."""

import pytest
import yaml

from flows.definition.errors import InvalidFlow
from flows.definition.parse import parse_flow
from flows.tasks import registry
from flows.tasks.aliases import ALIASES
from flows.tasks.base import TaskFailure
from flows.tasks.scripts.files import matches

CORE = "io.kestra.plugin.core."
# The type, what makes it valid, and one of its required properties (or none).
TASKS = [
    ("log.Fetch", "level: INFO", None),
    ("log.PurgeLogs", "endDate: x", "endDate"),
    ("execution.Resume", "executionId: x", None),
    ("execution.Kill", "executionId: x", "executionId"),
    ("execution.Count", "expression: 'true'", "expression"),
    ("execution.PurgeExecutions", "endDate: x", "endDate"),
    ("execution.Assert", "conditions: ['true']", "conditions"),
    ("http.Request", "uri: http://x", "uri"),
    ("http.Download", "uri: http://x", "uri"),
    ("kv.Set", "{key: a, value: b}", "key"),
    ("kv.Get", "key: a", "key"),
    ("kv.GetKeys", "prefix: a", None),
    ("kv.Delete", "key: a", "key"),
    ("namespace.UploadFiles", "{namespace: a, filesMap: {}}", "namespace"),
    ("namespace.DownloadFiles", "{namespace: a, files: b}", "files"),
    ("namespace.DeleteFiles", "{namespace: a, files: b}", "files"),
    ("state.Get", "name: a", None),
    ("state.Set", "data: {}", None),
    ("state.Delete", "name: a", None),
    ("storage.Concat", "files: []", "files"),
    ("storage.Split", "{from: a, rows: 1}", "from"),
    ("storage.Reverse", "from: a", "from"),
    ("storage.Size", "uri: a", "uri"),
    ("storage.Delete", "uri: a", "uri"),
    ("storage.Write", "content: a", "content"),
    ("storage.PurgeCurrentExecutionFiles", "{}", None),
    ("storage.FilterItems", "{from: a, filterCondition: b}", "filterCondition"),
    ("storage.DeduplicateItems", "{from: a, expr: b}", "expr"),
    ("storage.LocalFiles", "outputs: []", None),
    ("trigger.Toggle", "trigger: a", "trigger"),
]


def properties(text: str) -> dict[str, object]:
    found: dict[str, object] = yaml.safe_load(text)
    return found


def flow(type_name: str, given: dict[str, object]) -> str:
    task = {"id": "task", "type": type_name, **given}
    return yaml.safe_dump({"id": "f", "namespace": "company", "tasks": [task]}, sort_keys=False)


def refusal(source: str) -> str:
    with pytest.raises(InvalidFlow) as refused:
        parse_flow(source)
    return str(refused.value)


@pytest.mark.parametrize(("name", "valid", "required"), TASKS)
def test_a_core_task_names_the_property_that_is_wrong(name: str, valid: str, required: str | None) -> None:
    given = properties(valid)
    assert parse_flow(flow(CORE + name, given)).tasks[0].type == CORE + name
    assert "noSuchThing" in refusal(flow(CORE + name, {**given, "noSuchThing": 1}))
    if required is not None:
        without = {key: value for key, value in given.items() if key != required}
        assert required in refusal(flow(CORE + name, without))


def test_a_split_needs_a_way_to_split() -> None:
    assert "one of `bytes`, `partitions` and `rows` is needed" in refusal(flow(CORE + "storage.Split", {"from": "a"}))


def test_an_unknown_option_of_a_request_is_refused() -> None:
    assert '"retries"' in refusal(flow(CORE + "http.Request", {"uri": "http://x", "options": {"retries": 3}}))


@pytest.mark.parametrize("alias", sorted(name for name, present in ALIASES.items() if present in registry.TASKS))
def test_an_older_name_is_the_same_task(alias: str) -> None:
    assert registry.find(alias) is registry.find(ALIASES[alias])


@pytest.mark.parametrize(
    ("pattern", "fitting", "other"),
    [
        ("*.txt", "a.txt", "sub/a.txt"),
        ("**/a.txt", "x/y/a.txt", "x/b.txt"),
        ("**input.txt", "deep/input.txt", "input.csv"),
        ("{a,b}/[c-d].?", "b/d.x", "c/d.x"),
        ("a+(b).txt", "a+(b).txt", "aab.txt"),
    ],
)
def test_a_file_pattern_is_a_glob(pattern: str, fitting: str, other: str) -> None:
    assert matches(fitting, pattern) and not matches(other, pattern)


def test_a_file_pattern_that_takes_for_ever_or_is_none_is_refused() -> None:
    with pytest.raises(TaskFailure, match="takes too long"):
        matches("a" * 2000, "**a" * 30 + "b")
    with pytest.raises(TaskFailure, match="Not a file pattern"):
        matches("a", "[z-a]")
