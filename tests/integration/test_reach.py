"""What flows of one namespace may do in another: what everybody who may write them may do there."""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from executions import reach, store
from executions.ids import new_id
from executions.transitions.effects import StartExecution
from executor.children import start_child
from executor.listening import Started, _Call, _may_hear
from executor.worker.reached import ReachedStorage
from flows.access import EVERYWHERE, Role
from tests.builders import an_execution
from tests.integration.worker_support import NAMESPACE, TaskBench

OTHER = "payroll.salaries"
KV, FILES, EXECUTION = "core.kv.", "core.namespace.", "core.execution."


class People:
    """Users with roles, written as the administration would."""

    def __init__(self, connection: Any) -> None:
        self.connection = connection

    def add(self, name: str, *grants: tuple[str, str], superuser: bool = False) -> int:
        user = self._id(
            "INSERT INTO auth_user (username, password, is_superuser, first_name, last_name, email, is_staff, is_active,"
            " date_joined) VALUES (%s, '', %s, '', '', '', false, true, now()) RETURNING id",
            name, superuser,
        )  # fmt: skip
        for namespace, role in grants:
            group = self._id("INSERT INTO auth_group (name) VALUES (%s) RETURNING id", f"{name} {role} {namespace}")
            self.connection.execute("INSERT INTO auth_user_groups (user_id, group_id) VALUES (%s, %s)", [user, group])
            self.connection.execute(
                "INSERT INTO namespace_grants (group_id, namespace, role) VALUES (%s, %s, %s)", [group, namespace, role]
            )
        reach.forget()
        return user

    def token(self, user: int, scopes: str, namespaces: str) -> None:
        self.connection.execute(
            "INSERT INTO api_tokens (user_id, name, digest, scopes, namespaces, created)"
            " VALUES (%s, 't', %s, %s, %s, now())", [user, new_id(), scopes, namespaces]
        )  # fmt: skip
        reach.forget()

    def _id(self, statement: str, *parameters: Any) -> int:
        return int(self.connection.execute(statement, parameters).fetchone()[0])


@pytest.fixture
def people(bench: TaskBench) -> Iterator[People]:
    connection = bench.table.connection
    yield People(connection)
    connection.execute("TRUNCATE auth_user, auth_group, namespace_grants, api_tokens CASCADE")
    reach.forget()


def may(people: People, role: Role = Role.VIEWER, other: str = OTHER) -> bool:
    return reach.is_open(people.connection, NAMESPACE, other, role)


def test_where_only_administrators_write_flows_everything_is_open(people: People) -> None:
    people.add("root", superuser=True)
    people.add("looks", (NAMESPACE, "operator"))
    assert may(people, Role.AUTHOR) and may(people, Role.OPERATOR, EVERYWHERE)


def test_an_author_without_a_right_there_closes_a_namespace(people: People) -> None:
    people.add("both", ("company", "author"), ("payroll", "viewer"))
    assert may(people) and not may(people, Role.AUTHOR) and not may(people, Role.VIEWER, EVERYWHERE)
    people.add("here", ("company", "namespace_admin"))
    assert not may(people)
    people.connection.execute("UPDATE auth_user SET is_active = false WHERE username = 'here'")
    reach.forget()
    assert may(people)


def test_what_is_below_is_open_and_parents_may_be_read(people: People) -> None:
    people.add("here", (NAMESPACE, "author"))
    assert may(people, Role.AUTHOR, f"{NAMESPACE}.below")
    assert may(people, Role.VIEWER, "company") and not may(people, Role.AUTHOR, "company")
    assert not may(people, Role.VIEWER, "companyx") and not may(people, Role.VIEWER, "company.other")


def test_a_token_limited_to_a_namespace_counts_as_somebody(people: People) -> None:
    root = people.add("root", superuser=True)
    people.token(root, '["viewer"]', f'["{NAMESPACE}"]')
    people.token(root, '["author"]', "[]")
    assert may(people)
    people.token(root, '["author"]', f'["{NAMESPACE}"]')
    assert not may(people)


@pytest.mark.parametrize(
    ("task", "deed"),
    [
        ("type: core.debug.Return, format: \"{{ kv('x', namespace='OTHER') }}\"", "read key-values of namespace"),
        ("type: core.debug.Return, format: \"{{ read('x.txt', namespace='OTHER') }}\"", "read files of namespace"),
        ("type: core.debug.Return, format: \"{{ fileExists('x.txt', namespace='OTHER') }}\"", "read files of namespace"),
        (f"type: {KV}Get, namespace: OTHER, key: x", "read key-values of namespace"),
        (f"type: {KV}GetKeys, namespace: OTHER", "read key-values of namespace"),
        (f"type: {KV}Set, namespace: OTHER, key: x, value: y", "write key-values of namespace"),
        (f"type: {KV}Delete, namespace: OTHER, key: x", "delete key-values of namespace"),
        (f"type: {FILES}UploadFiles, namespace: OTHER, filesMap: {{a: b}}", "read files of namespace"),
        (f"type: {FILES}DownloadFiles, namespace: OTHER, files: '*'", "read files of namespace"),
        (f"type: {FILES}DeleteFiles, namespace: OTHER, files: '*'", "read files of namespace"),
        ("type: core.storage.Size, uri: 'kestra:///payroll/salaries/_files/a.txt'", "read files of namespace"),
        ("type: core.storage.Size, uri: 'nsfile://payroll.salaries/a.txt'", "read files of namespace"),
        ("type: core.debug.Return, format: \"{{ read('nsfile://payroll.salaries/a.txt') }}\"", "read files of namespace"),
        ("type: core.storage.Size, uri: 'kestra:///payroll/salaries/f/executions/x/a.txt'", "read files of namespace"),
        ("type: core.storage.Concat, files: ['kestra:///payroll/salaries/_files/a.txt']", "read files of namespace"),
        ("type: core.storage.Delete, uri: 'kestra:///payroll/salaries/_files/a.txt'", "write files of namespace"),
        (f"type: {EXECUTION}Count, namespaces: [OTHER], expression: 'true'", "count executions of namespace"),
        (f"type: {EXECUTION}Count, expression: 'true'", "count executions of all namespaces"),
        (f"type: {EXECUTION}PurgeExecutions, namespace: OTHER, endDate: '2020-01-01T00:00:00Z'", "purge executions of"),
        (f"type: {EXECUTION}PurgeExecutions, endDate: '2020-01-01T00:00:00Z'", "purge executions of all namespaces"),
        ("type: core.log.PurgeLogs, namespace: OTHER, endDate: '2020-01-01T00:00:00Z'", "purge logs of namespace"),
        ("type: core.log.PurgeLogs, endDate: '2020-01-01T00:00:00Z'", "purge logs of all namespaces"),
        ("type: core.log.Fetch, executionId: FOREIGN", "read logs of namespace"),
        (f"type: {EXECUTION}Kill, executionId: FOREIGN", "kill executions of namespace"),
        (f"type: {EXECUTION}Resume, executionId: FOREIGN", "resume executions of namespace"),
        ("type: core.trigger.Toggle, namespace: OTHER, flowId: f, trigger: t", "switch triggers of namespace"),
        (
            "type: io.kestra.plugin.scripts.shell.Commands, commands: [ls], namespaceFiles: {enabled: true, namespaces: [OTHER]}",
            "read files of namespace",
        ),
        (
            "type: io.kestra.plugin.scripts.shell.Commands, commands: [ls], inputFiles: {a: 'kestra:///payroll/salaries/_files/a'}",
            "read files of namespace",
        ),
    ],
)  # fmt: skip
def test_every_way_into_a_closed_namespace_is_refused_and_audited(
    bench: TaskBench, people: People, task: str, deed: str
) -> None:
    people.add("here", (NAMESPACE, "author"))
    foreign = an_execution(namespace=OTHER)
    store.create(bench.table.connection, [foreign])
    noted = "SELECT count(*) FROM audit WHERE actor = 'flows of company.worker' AND target IN (%s, 'all')"
    before = bench.table.value(noted, OTHER)
    told = bench.failure(f"- {{id: one, {task.replace('OTHER', OTHER).replace('FOREIGN', foreign.id)}}}")
    assert f"Namespace '{NAMESPACE}' is not allowed to {deed}" in told
    assert bench.table.value(noted, OTHER) > before
    assert bench.table.value("SELECT count(*) FROM executions WHERE id = %s", store.hex_of(foreign.id)) == 1


def test_an_open_namespace_is_used(bench: TaskBench, people: People) -> None:
    people.add("both", (NAMESPACE, "author"), (OTHER, "author"))
    outputs = bench.outputs(f"""
- {{id: set, type: {KV}Set, namespace: {OTHER}, key: x, value: "1"}}
- {{id: get, type: core.debug.Return, format: "{{{{ kv('x', namespace='{OTHER}') }}}}"}}
""")  # fmt: skip
    assert outputs == {"value": "1"}


def test_files_of_the_execution_that_started_this_one_are_read_wherever_they_are(
    bench: TaskBench, people: People
) -> None:
    people.add("here", (NAMESPACE, "author"))
    tools = bench.worker.tools
    folder = "/payroll/salaries/f/executions/starter"
    uri = tools.storage.put(f"{folder}/inputs/a.txt", b"abc")
    assert ReachedStorage(tools.storage, tools.database, NAMESPACE, [folder]).facts(uri).size == 3
    with pytest.raises(ValueError, match="not allowed to write files"):
        ReachedStorage(tools.storage, tools.database, NAMESPACE, [folder]).delete(uri)


def test_a_subflow_of_a_closed_namespace_is_not_started(people: People) -> None:
    people.add("here", (NAMESPACE, "author"))
    effect = StartExecution(new_id(), OTHER, "hidden")
    with pytest.raises(reach.OutOfReach, match="is not allowed to start flows of namespace"):
        start_child(people.connection, an_execution(namespace=NAMESPACE), effect, datetime.now(UTC))


def test_a_flow_trigger_does_not_hear_a_closed_namespace(people: People) -> None:
    from types import SimpleNamespace

    people.add("here", (NAMESPACE, "author"))
    listener: Any = SimpleNamespace(flow=SimpleNamespace(namespace=NAMESPACE, id="f"), trigger=SimpleNamespace(id="t"))
    for namespace, heard in ((OTHER, False), (f"{NAMESPACE}.below", True)):
        call = _Call(SimpleNamespace(execution=an_execution(namespace=namespace)), listener, [], {})  # type: ignore[arg-type]
        started = Started()
        assert _may_hear(people.connection, call, started, datetime.now(UTC)) is heard
        assert bool(started.logs) is not heard


@pytest.mark.parametrize(
    ("path", "namespace"),
    [
        ("/company/team/_files/a/b.txt", "company.team"),
        ("/company/team/flow/executions/id/inputs/x/y", "company.team"),
        ("/company/executions/flow/executions/id/tasks/a/b/c", "company.executions"),
        ("/company/x/executions/y/_files/z", "company"),
        ("/company/team/flow/task/cache/a.zip", "company.team.flow.task.cache"),
    ],
)
def test_whose_a_file_is(path: str, namespace: str) -> None:
    assert reach.namespace_of(path) == namespace
