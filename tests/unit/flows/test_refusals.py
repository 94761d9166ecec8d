"""What is said of a flow that is refused, in the words of YAML."""

import pytest

from flows.definition.errors import InvalidFlow
from flows.definition.parse import parse_flow

FLOW = "id: f\nnamespace: company.team\n"
SCRIPT = "type: io.kestra.plugin.scripts.shell.Commands, commands: [ls]"


def refusal(rest: str) -> str:
    with pytest.raises(InvalidFlow) as refused:
        parse_flow(FLOW + rest)
    return str(refused.value)


def task(properties: str) -> str:
    return f"tasks:\n- {{id: a, {properties}}}\n"


@pytest.mark.parametrize(
    ("rest", "said"),
    [
        ("inputs: [{id: s, type: SELECT, values: low}]\n" + task("type: core.log.Log, message: x"), "inputs[0].values: must be a list, but received `low`"),
        ("inputs: [{id: s, type: BOOLAEN}]\n" + task("type: core.log.Log, message: x"), "Invalid type: BOOLAEN (did you mean BOOLEAN?)"),
        ("inputs: [{id: s, type: string}]\n" + task("type: core.log.Log, message: x"), "Invalid type: string (did you mean STRING?)"),
        (task("type: core.flow.Switch, value: x, cases: [{a: b}]"), 'tasks[0].cases: must be a map, but received `[{"a":"b"}]`'),
        (task("type: core.debug.Return, format: [1]"), "tasks[0].format: must be a text, but received `[1]`"),
        (task("type: core.flow.Parallel, concurrent: two, tasks: [{id: b, type: core.log.Log, message: x}]"), "tasks[0].concurrent: must be a whole number, but received `two`"),
        (task("type: core.flow.Subflow, namespace: a, flowId: b, waits: true"), '"workerGroup"): did you mean "wait"?'),
        (task("type: core.flow.Subflow, namespace: a, flowId: b, flow_id: c"), 'Unrecognized field "flow_id"'),
        (task("type: core.log.Log, message: x, allow_failure: true"), 'did you mean "allowFailure"?'),
        (task("type: io.kestra.plugin.scripts.pyhton.Script, script: x"), "did you mean io.kestra.plugin.scripts.python.Script"),
        (task(SCRIPT + ", taskRunner: {type: io.kestra.plugin.ee.kubernetes.runner.Kubernetes}"), "Invalid task runner io.kestra.plugin.ee.kubernetes.runner.Kubernetes: it must be one of io.kestra.plugin.core.runner.Process or"),
        (task(SCRIPT + ", taskRunner: {type: io.kestra.plugin.core.runner.Proces}"), "Invalid task runner"),
    ],
)  # fmt: skip
def test_a_refusal_says_what_is_wanted(rest: str, said: str) -> None:
    assert said in refusal(rest)


@pytest.mark.parametrize(
    "runner", ["core.runner.Process", "scripts.runner.docker.Docker", "scripts.runner.docker.DockerTaskRunner"]
)
def test_runners_have_their_older_names(runner: str) -> None:
    parse_flow(FLOW + task(SCRIPT + f", taskRunner: {{type: io.kestra.plugin.{runner}, pullPolicy: NEVER}}"))
