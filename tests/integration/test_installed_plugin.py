"""The worked example of docs/writing_a_plugin.md, installed as a package beside ours and run."""

import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from flows.definition.errors import InvalidFlow
from flows.definition.parse import parse_flow
from flows.tasks import installed, registry
from flows.tasks.base import Isolation
from tests.integration.worker_support import TaskBench

PAGE = Path(__file__).resolve().parents[2] / "docs" / "writing_a_plugin.md"
COUNT = "com.example.words.Count"


@pytest.fixture(scope="module", autouse=True)
def package(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What pip would have put on the path: the module, and the metadata with its entry points."""
    folder = tmp_path_factory.mktemp("site")
    code = re.findall(r"```python\n(.*?)```", PAGE.read_text(), re.DOTALL)[0]
    (folder / "celesta_words").mkdir()
    (folder / "celesta_words" / "__init__.py").touch()
    (folder / "celesta_words" / "count.py").write_text(code)
    (folder / "celesta_words" / "other.py").write_text(
        "from flows.tasks.base import RunnableTask\n"
        "class Quiet(RunnableTask):\n"
        "    def run(self, context):\n"
        "        print('said')\n"
        "        return {'value': context.render('{{ flow.id }}')}\n"
        "NOTHING = 1\n"
    )
    metadata = folder / "celesta_words-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: celesta-words\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(
        "[celesta.plugins]\n"
        f"{COUNT} = celesta_words.count:Count\n"
        "com.example.words.Quiet = celesta_words.other:Quiet\n"
        "com.example.words.Broken = celesta_words.nowhere:Broken\n"
        "com.example.words.Nothing = celesta_words.other:NOTHING\n"
    )
    sys.path.insert(0, str(folder))
    installed._entries.cache_clear()
    yield
    sys.path.remove(str(folder))
    installed._entries.cache_clear()


def flow(task: str) -> str:
    return f"id: f\nnamespace: company\ntasks:\n  - {{id: t, type: {task}}}\n"


def refusal(task: str) -> str:
    with pytest.raises(InvalidFlow) as refused:
        parse_flow(flow(task))
    return str(refused.value)


def test_the_example_runs_and_fails_as_its_page_says(bench: TaskBench) -> None:
    outputs = bench.outputs(f"""
- {{id: file, type: io.kestra.plugin.core.storage.Write, content: "one two three"}}
- {{id: count, type: {COUNT}, text: "{{{{ outputs.file.uri }}}}", atLeast: 2}}
""")  # fmt: skip
    assert outputs == {"words": 3}
    assert "3 words" in bench.table.messages()
    assert bench.failure(f"- {{id: count, type: {COUNT}, text: one, atLeast: 2}}") == "1 words, at least 2 are wanted"


def test_a_wrong_property_is_refused_by_name() -> None:
    assert "atLeast" in refusal(f"{COUNT}, text: x, atLeast: -1")
    assert "text" in refusal(COUNT)
    assert "times" in refusal(f"{COUNT}, text: x, times: 3")


def test_its_types_are_listed_and_found_by_a_near_name() -> None:
    assert {COUNT, "com.example.words.Quiet"} <= set(registry.names("task"))
    assert "com.example.words.Broken" not in registry.names("task")
    assert COUNT not in registry.names("trigger")
    assert "(did you mean com.example.words.Count " in refusal("com.example.words.Cuont, text: x")


def test_a_plugin_that_cannot_be_loaded_says_why() -> None:
    assert "celesta_words.nowhere:Broken cannot be loaded: ModuleNotFoundError" in refusal("com.example.words.Broken")
    assert "neither a task nor a trigger nor a condition" in refusal("com.example.words.Nothing")


def test_a_plugin_that_does_not_say_how_it_runs_gets_a_process() -> None:
    assert registry.find(COUNT).isolation is Isolation.THREAD
    assert registry.find("com.example.words.Quiet").isolation is Isolation.CHILD
