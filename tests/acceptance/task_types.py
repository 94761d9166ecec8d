"""For every task type: properties with which it does its work, one that is refused, and a run that fails, with the cause.

`test_every_task_type.py` runs all of it, and fails for a type of the registry that is missing here. Words in capitals stand
for what the tests set up (`World.names`)."""

from dataclasses import dataclass
from typing import Any

NONE = "kestra:///company/worker/none"
NOPE = "{{ nope }}"
NO_FILE = "File not found: kestra:///company/worker/none"
UNKNOWN = "Unable to find `nope`"


@dataclass(frozen=True, slots=True)
class Kind:
    """`good` and `failing` are properties of a task, `refused` one that cannot be saved and `names` what the refusal says;
    `outputs` is a part of what comes out of the good run, or of the flow's state for tasks that the engine settles."""

    good: str
    outputs: dict[str, Any] | None
    refused: str
    names: str
    failing: str
    cause: str


_LOG = "{id: inner, type: core.log.Log, message: hi}"
_BAD = "{id: inner, type: core.execution.Fail, errorMessage: broken on purpose}"
_INNER = f"tasks: [{_LOG}]"
_BROKEN = f"tasks: [{_BAD}]"
_CHILD = "namespace: company.worker, flowId: child"
_POSTED = 'payload: \'{"text": "hi"}\''
_MAIL = "host: 127.0.0.1, transportStrategy: SMTP, from: a@example.org, subject: s"


def _webhook(*, also: str = _POSTED) -> Kind:
    return Kind(
        f"url: 'SITE/hook', {also}", None, also, "url",
        f"url: 'SITE/missing', {also}", "The webhook answered 404",
    )  # fmt: skip


def _script(good: str, wrong: str, failing: str) -> Kind:
    return Kind(good, {"exitCode": 0, "vars": {"a": 1}}, wrong, wrong.partition(":")[0], failing, "exit code 3")


def _script_of(line: str, last: str) -> Kind:
    return Kind(
        f"script: '{line}'",
        {"exitCode": 0, "vars": {"a": 1}},
        "commands: [x]",
        "script",
        f"script: '{last}'",
        "exit code 3",
    )


_TOLD = "echo ''::{\"outputs\":{\"a\":1}}::''"  # inside a YAML text between single quotes
FLOWABLE: dict[str, Kind] = {
    "flow.Sequential": Kind(_INNER, {"state": "SUCCESS"}, "tasks: 5", "tasks", _BROKEN, "broken on purpose"),
    "flow.Parallel": Kind(_INNER, {"state": "SUCCESS"}, "concurrent: many", "concurrent", _BROKEN, "broken on purpose"),
    "flow.AllowFailure": Kind(_BROKEN, {"state": "WARNING"}, "tasks: 5", "tasks", f"{_INNER}, runIf: '{NOPE}'", UNKNOWN),
    "flow.If": Kind(
        f"condition: '{{{{ 1 == 1 }}}}', then: [{_LOG}]", {"evaluationResult": True},
        f"then: [{_LOG}]", "condition", f"condition: '{NOPE}', then: [{_LOG}]", UNKNOWN,
    ),
    "flow.Switch": Kind(
        f"value: a, cases: {{a: [{_LOG}]}}", {"value": "a", "defaults": False},
        f"cases: {{a: [{_LOG}]}}", "value", f"value: z, cases: {{a: [{_LOG}]}}", "z",
    ),
    "flow.ForEach": Kind(
        f"values: [1, 2], {_INNER}", {"state": "SUCCESS"}, f"values: [1], concurrencyLimit: -1, {_INNER}", "concurrencyLimit",
        f"values: '{NOPE}', {_INNER}", UNKNOWN,
    ),
    "flow.EachSequential": Kind(f"value: [1, 2], {_INNER}", {"state": "SUCCESS"}, _INNER, "value", f"value: '{NOPE}', {_INNER}", UNKNOWN),
    "flow.EachParallel": Kind(f"value: [1, 2], {_INNER}", {"state": "SUCCESS"}, _INNER, "value", f"value: '{NOPE}', {_INNER}", UNKNOWN),
    "flow.Dag": Kind(
        f"tasks: [{{task: {_LOG}}}]", {"state": "SUCCESS"}, f"tasks: [{{task: {_LOG}, dependsOn: [nobody]}}]", "nobody",
        f"tasks: [{{task: {_BAD}}}]", "broken on purpose",
    ),
    "flow.Pause": Kind(
        "pauseDuration: PT1S", {"state": "SUCCESS"}, "pauseDuration: PT1S, behavior: LATER", "behavior",
        "pauseDuration: PT1S, behavior: FAIL", "Nobody has resumed it in time",
    ),
    "flow.LoopUntil": Kind(
        f"condition: 'true', {_INNER}", {"iterationCount": 1}, _INNER, "condition", f"condition: '{NOPE}', {_INNER}", UNKNOWN
    ),
    "flow.Loop": Kind(f"values: [1, 2], {_INNER}", {"state": "SUCCESS"}, _INNER, "values", f"values: '{NOPE}', {_INNER}", UNKNOWN),
    "flow.Subflow": Kind(
        f"{_CHILD}, wait: true", {"state": "SUCCESS"}, "namespace: company.worker", "flowId",
        f"namespace: company.worker, flowId: '{NOPE}'", UNKNOWN,
    ),
    "flow.ForEachItem": Kind(
        f"{_CHILD}, items: TEXT", {"state": "SUCCESS"}, _CHILD, "items", f"{_CHILD}, items: '{NONE}'", NO_FILE
    ),
    "flow.Template": Kind(
        "namespace: company.worker, templateId: known", {"state": "SUCCESS"}, "namespace: company.worker", "templateId",
        "namespace: company.worker, templateId: unknown", "unknown",
    ),
    "execution.Labels": Kind(
        "labels: {a: b}", {"labels": [..., {"key": "a", "value": "b"}]}, "labels: {a: b}, key: c", "key", "labels: 5", "labels"
    ),
    "execution.SetVariables": Kind(
        "variables: {a: 1}", {"variables": {"a": 1, "kept": 1}}, "overwrite: true", "variables", f"variables: {{a: '{NOPE}'}}", UNKNOWN
    ),
    "execution.UnsetVariables": Kind("variables: [kept]", {"variables": None}, "ignoreMissing: true", "variables", "variables: [nope]", "nope"),
    "execution.Exit": Kind("state: WARNING", {"state": "WARNING"}, "state: GONE", "state", "state: '{{ 1 }}'", "cannot exit as 1"),
}  # fmt: skip

RUNNABLE: dict[str, Kind] = {
    "flow.WorkingDirectory": Kind(
        "inputFiles: {a.txt: hi}, outputFiles: ['*.txt'], tasks: [{id: inner, type: core.log.Log, message: hi}]",
        {"outputFiles": {"a.txt": ...}}, "outputFiles: ['*.txt']", "tasks",
        f"tasks: [{_BAD}]", "broken on purpose",
    ),
    "flow.Sleep": Kind("duration: PT0.01S", None, "duration: soon", "duration", f"duration: '{NOPE}'", UNKNOWN),
    "log.Log": Kind("message: [one, two], level: WARN", None, "level: INFO", "message", f"message: '{NOPE}'", UNKNOWN),
    "log.Fetch": Kind("level: INFO", {"size": ..., "uri": ...}, "size: 1", "size", "flowId: f", "`executionId`"),
    "log.PurgeLogs": Kind("endDate: '2000-01-01T00:00:00Z'", {"count": 0}, "flowId: f", "endDate", "endDate: never", "`endDate`"),
    "debug.Return": Kind("format: 'v{{ 1 + 1 }}'", {"value": "v2"}, "value: x", "value", f"format: '{NOPE}'", UNKNOWN),
    "debug.Echo": Kind("format: hi", None, "level: INFO", "format", f"format: '{NOPE}'", UNKNOWN),
    "output.OutputValues": Kind(
        "values: {a: '{{ 1 + 1 }}', b: [x]}", {"values": {"a": "2", "b": ["x"]}}, "values: [1]", "values", f"values: {{a: '{NOPE}'}}", UNKNOWN
    ),
    "execution.Fail": Kind("condition: 'false'", None, "errormessage: x", "errormessage", "errorMessage: as told", "as told"),
    "execution.Resume": Kind("executionId: PAUSED", None, "executionid: x", "executionid", "executionId: ENDED", "SUCCESS"),
    "execution.Kill": Kind("executionId: RUNNING", None, "propagateKill: true", "executionId", "executionId: nobody", "nobody"),
    "execution.Count": Kind(
        "namespaces: [company.worker], expression: '{{ count > 0 }}'", {"total": ...}, "states: [SUCCESS]", "expression",
        f"expression: '{NOPE}'", UNKNOWN,
    ),
    "execution.PurgeExecutions": Kind(
        "endDate: '2000-01-01T00:00:00Z'", {"executionsCount": 0, "storagesCount": 0}, "flowId: f", "endDate",
        "endDate: '2000-01-01T00:00:00Z', flowId: f", "`namespace`",
    ),
    "execution.Assert": Kind(
        "conditions: ['{{ 1 == 1 }}']", None, "errorMessage: x", "conditions",
        "conditions: ['{{ 1 == 2 }}'], errorMessage: not equal", "not equal",
    ),
    "templating.TemplatedTask": Kind(
        "spec: '{type: io.kestra.plugin.core.debug.Return, format: hi}'", {"value": "hi"}, "format: hi", "spec",
        "spec: 'type: io.kestra.plugin.core.flow.Pause'", "The templated task must be a runnable task",
    ),
    "http.Request": Kind(
        "uri: 'SITE/x', method: POST, body: hi", {"code": 200, "body": "hi"}, "method: GET", "uri", "uri: 'SITE/missing'", "404"
    ),
    "http.Download": Kind("uri: 'SITE/x?body=abc'", {"code": 200, "length": 3, "uri": ...}, "method: GET", "uri", "uri: 'SITE/empty'", "empty"),
    "kv.Set": Kind("key: k, value: v", None, "key: k", "value", "key: k, value: x, kvType: NUMBER", "NUMBER"),
    "kv.Get": Kind("key: kept", {"value": "kept"}, "errorOnMissing: true", "key", "key: none, errorOnMissing: true", "none"),
    "kv.GetKeys": Kind("prefix: ke", {"keys": ["kept"]}, "keys: x", "keys", f"prefix: '{NOPE}'", UNKNOWN),
    "kv.Delete": Kind("key: none", {"deleted": False}, "errorOnMissing: true", "key", "key: none, errorOnMissing: true", "none"),
    "kv.PurgeKV": Kind(
        "namespaces: [company.none]", {"size": 0}, "behavior: {type: all}", "behavior",
        "namespaces: [a], namespacePattern: 'a*'", "exclude each other",
    ),
    "namespace.UploadFiles": Kind(
        "namespace: company.worker, filesMap: {b.txt: hi}", {"files": {"/b.txt": ...}}, "filesMap: {b.txt: hi}", "namespace",
        "namespace: company.worker", "`files` and `filesMap`",
    ),
    "namespace.DownloadFiles": Kind(
        "namespace: company.worker, files: [a.txt]", {"files": {"/a.txt": ...}}, "namespace: company.worker", "files",
        f"namespace: company.worker, files: '{NOPE}'", UNKNOWN,
    ),
    "namespace.DeleteFiles": Kind(
        "namespace: company.worker, files: [none.txt]", {"files": {}}, "namespace: company.worker", "files",
        f"namespace: company.worker, files: '{NOPE}'", UNKNOWN,
    ),
    "namespace.PurgeFiles": Kind(
        "namespaces: [company]", {"size": 0}, "behavior: {type: key}", "behavior", "behavior: {type: version, keepAmount: 0}", "at least 1"
    ),
    "state.Get": Kind("name: none", {"count": 0, "data": {}}, "key: x", "key", "name: none, errorOnMissing: true", "none"),
    "state.Set": Kind("data: {a: 1}", {"count": 1}, "data: [1]", "data", f"data: {{a: '{NOPE}'}}", UNKNOWN),
    "state.Delete": Kind("name: none", {"deleted": False}, "key: x", "key", "name: none, errorOnMissing: true", "none"),
    "storage.Concat": Kind("files: [TEXT, TEXT]", {"uri": ...}, "separator: x", "files", f"files: ['{NONE}']", NO_FILE),
    "storage.Split": Kind("from: TEXT, rows: 1", {"uris": [..., ...]}, "rows: 1", "from", f"from: '{NONE}', rows: 1", NO_FILE),
    "storage.Reverse": Kind("from: TEXT", {"uri": ...}, "charset: UTF-8", "from", f"from: '{NONE}'", NO_FILE),
    "storage.Size": Kind("uri: TEXT", {"size": 4}, "url: x", "uri", f"uri: '{NONE}'", NO_FILE),
    "storage.Delete": Kind(f"uri: '{NONE}'", {"deleted": False}, "errorOnMissing: true", "uri", f"uri: '{NONE}', errorOnMissing: true", "none"),
    "storage.Write": Kind("content: abc, extension: .txt", {"uri": ...}, "extension: .txt", "content", f"content: '{NOPE}'", UNKNOWN),
    "storage.PurgeCurrentExecutionFiles": Kind("", {"uris": []}, "uris: x", "uris", f"runIf: '{NOPE}'", UNKNOWN),
    "storage.FilterItems": Kind(
        "from: ION, filterCondition: '{{ a == 1 }}'", {"processedItemsTotal": 2, "droppedItemsTotal": 1}, "from: ION",
        "filterCondition", f"from: '{NONE}', filterCondition: 'true'", NO_FILE,
    ),
    "storage.DeduplicateItems": Kind(
        "from: ION, expr: '{{ b }}'", {"numKeys": 1, "droppedItemsTotal": 1}, "from: ION", "expr", f"from: '{NONE}', expr: x", NO_FILE
    ),
    "storage.LocalFiles": Kind(
        "inputs: {a.txt: hi}, outputs: ['*.txt']", {"uris": {"a.txt": ...}}, "input: x", "input", f"inputs: {{a.txt: '{NONE}'}}", NO_FILE
    ),
    "trigger.Toggle": Kind(
        "namespace: company.worker, flowId: listens, trigger: hook, enabled: false", None, "enabled: true", "trigger",
        "trigger: none", "has no trigger none",
    ),
    "transform.jsonata.TransformValue": Kind(
        "from: '{\"a\": [1, 2]}', expression: $sum(a)", {"value": 3}, "from: x", "expression", "from: '{', expression: a", "JSON"
    ),
    "transform.jsonata.TransformItems": Kind(
        "from: ION, expression: a", {"processedItemsTotal": 2, "uri": ...}, "from: ION", "expression", "from: ION, expression: '('", "expression"
    ),
    "scripts.shell.Commands": _script(f"commands: ['{_TOLD}']", "script: x", "commands: ['exit 3']"),
    "scripts.shell.Script": _script_of(_TOLD, "exit 3"),
    "scripts.python.Commands": _script(
        f"commands: ['python3 --version', '{_TOLD}']", "script: x", "commands: ['python3 -c \"raise SystemExit(3)\"']"
    ),
    "scripts.python.Script": _script_of('print("""::{"outputs":{"a":1}}::""")', "raise SystemExit(3)"),
    "scripts.node.Commands": _script(f"commands: ['node --version', '{_TOLD}']", "script: x", "commands: ['node -e \"process.exit(3)\"']"),
    "scripts.node.Script": _script_of('console.log(`::{"outputs":{"a":1}}::`)', "process.exit(3)"),
    "jdbc.postgresql.Query": Kind("POSTGRES, fetchType: FETCH_ONE, sql: SELECT 1 AS n", {"row": {"n": 1}, "size": 1}, "sql: SELECT 1", "url", "POSTGRES, sql: SELECT nope", "nope"),
    "jdbc.postgresql.Queries": Kind("POSTGRES, fetchType: FETCH, sql: SELECT 1 AS n; SELECT 2 AS n", {"outputs": [..., ...]}, "POSTGRES", "sql", "POSTGRES, sql: SELECT nope", "nope"),
    "jdbc.sqlite.Query": Kind("url: 'jdbc:sqlite::memory:', fetchType: FETCH_ONE, sql: SELECT 1 AS n", {"row": {"n": 1}, "size": 1}, "sql: SELECT 1", "url", "url: 'jdbc:sqlite::memory:', sql: SELECT nope", "nope"),
    "jdbc.sqlite.Queries": Kind("url: 'jdbc:sqlite::memory:', fetchType: FETCH, sql: SELECT 1 AS n; SELECT 2 AS n", {"outputs": [..., ...]}, "url: x", "sql", "url: 'jdbc:sqlite::memory:', sql: SELECT nope", "nope"),
    "serdes.csv.CsvToIon": Kind("from: CSV", {"uri": ...}, "header: true", "from", f"from: '{NONE}'", NO_FILE),
    "serdes.csv.IonToCsv": Kind("from: ION", {"uri": ...}, "header: true", "from", f"from: '{NONE}'", NO_FILE),
    "serdes.json.JsonToIon": Kind("from: JSON", {"uri": ...}, "newLine: true", "from", "from: CSV", "JSON"),
    "serdes.json.IonToJson": Kind("from: ION", {"uri": ...}, "newLine: true", "from", f"from: '{NONE}'", NO_FILE),
    "serdes.yaml.YamlToIon": Kind("from: JSON", {"uri": ...}, "charset: UTF-8", "from", f"from: '{NONE}'", NO_FILE),
    "serdes.yaml.IonToYaml": Kind("from: ION", {"uri": ...}, "charset: UTF-8", "from", f"from: '{NONE}'", NO_FILE),
    "serdes.parquet.ParquetToIon": Kind("from: PARQUET", {"uri": ...}, "charset: UTF-8", "from", "from: CSV", "Parquet"),
    "serdes.parquet.IonToParquet": Kind("from: ION", {"uri": ...}, "schema: x", "from", f"from: '{NONE}'", NO_FILE),
    "notifications.mail.MailSend": Kind(f"{_MAIL}, to: b@example.org, port: MAILPORT", None, "subject: s", "host", f"{_MAIL}, to: refused@example.org, port: MAILPORT", "no thanks"),
    "notifications.mail.MailExecution": Kind(f"{_MAIL}, to: b@example.org, port: MAILPORT", None, "subject: s", "host", f"{_MAIL}, to: refused@example.org, port: MAILPORT", "no thanks"),
    "notifications.slack.SlackIncomingWebhook": _webhook(),
    "notifications.slack.SlackExecution": _webhook(also="channel: '#ops'"),
    "notifications.discord.DiscordIncomingWebhook": _webhook(),
    "notifications.teams.TeamsIncomingWebhook": _webhook(),
    "notifications.google.GoogleChatIncomingWebhook": _webhook(),
    "notifications.webhook.IncomingWebhook": _webhook(),
    "notifications.webhook.WebhookExecution": _webhook(also="headers: {X-A: b}"),
    "celery.Task": Kind("name: shop.price, args: [10]", {"value": ...}, "args: [10]", "name", "name: shop.refuse, args: [why]", "refused: why"),
}  # fmt: skip

_CORE = {
    "flow",
    "log",
    "debug",
    "output",
    "execution",
    "templating",
    "http",
    "kv",
    "namespace",
    "state",
    "storage",
    "trigger",
}


def _full(name: str) -> str:
    first = name.partition(".")[0]
    return name if first == "celery" else f"io.kestra.plugin.{'core.' if first in _CORE else ''}{name}"


KINDS: dict[str, Kind] = {_full(name): kind for name, kind in {**FLOWABLE, **RUNNABLE}.items()}
