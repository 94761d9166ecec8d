"""The parts of the OpenAPI document: parameters, schemas, bodies and answers with examples. Facts only."""

from typing import Any

Json = dict[str, Any]

FLOW = """\
id: hello
namespace: company.team
inputs:
  - id: name
    type: STRING
    defaults: world
tasks:
  - id: say
    type: io.kestra.plugin.core.log.Log
    message: Hello {{ inputs.name }}
"""


def _parameter(name: str, kind: str, text: str, example: Any = None, **more: Any) -> Json:
    schema: Json = {"type": kind, **more}
    found: Json = {"name": name, "in": "query", "description": text, "schema": schema}
    if kind == "array":
        schema["items"] = more.get("items", {"type": "string"})
        found |= {"style": "form", "explode": True}
    if example is not None:
        found["example"] = example
    return found


_STATES = [
    "CREATED",
    "RUNNING",
    "PAUSED",
    "RESTARTED",
    "KILLING",
    "SUCCESS",
    "WARNING",
    "FAILED",
    "KILLED",
    "CANCELLED",
    "QUEUED",
    "RETRYING",
    "RETRIED",
    "SKIPPED",
]
_LEVELS = ["TRACE", "DEBUG", "INFO", "WARN", "ERROR"]
PARAMETERS: dict[str, Json] = {
    str(parameter["name"]): parameter
    for parameter in (
        _parameter("page", "integer", "From 1.", 1, minimum=1, default=1),
        _parameter("size", "integer", "Items of a page.", 10, minimum=1, maximum=1000, default=10),
        _parameter("sort", "array", "`field:asc` or `field:desc`; may be repeated."),
        _parameter("q", "string", "Words that must occur."),
        _parameter("scope", "string", "Flows of users or of the system.", enum=["USER", "SYSTEM"]),
        _parameter("namespace", "string", "This namespace and those below it.", "company.team"),
        _parameter("flowId", "string", "One flow.", "hello"),
        _parameter("startDate", "string", "Not before this moment.", "2026-01-31T00:00:00Z"),
        _parameter("endDate", "string", "Not after this moment.", "2026-02-28T00:00:00Z"),
        _parameter("timeRange", "string", "An ISO-8601 duration back from now; excludes startDate.", "PT24H"),
        _parameter("state", "array", "Any of these.", items={"type": "string", "enum": _STATES}),
        _parameter("labels", "array", "`key:value`; may be repeated."),
        _parameter("triggerExecutionId", "string", "Started by this execution."),
        _parameter("childFilter", "string", "Started by another execution, or not.", enum=["CHILD", "MAIN"]),
        {
            "name": "filters",
            "in": "query",
            "description": "`filters[field][OPERATION]=value`, also `filters[or][0][field][OPERATION]=value`.",
            "style": "deepObject",
            "explode": True,
            "schema": {"type": "object", "additionalProperties": {"type": "object"}},
            "example": {"namespace": {"PREFIX": "company"}},
        },
        _parameter("field", "string", "The filter's name.", "namespace"),
        _parameter("revision", "integer", "Absent: the latest one.", 1, minimum=0),
        _parameter("wait", "boolean", "Answer at the end of the execution.", default=False),
        _parameter("scheduleDate", "string", "Start it then.", "2030-01-31T00:00:00Z"),
        _parameter("kind", "string", "What it is for.", enum=["NORMAL", "TEST", "PLAYGROUND"]),
        _parameter("taskRunId", "string", "One task run."),
        _parameter("taskId", "string", "One task.", "say"),
        _parameter("attempt", "integer", "One attempt, from 0.", minimum=0),
        _parameter("triggerId", "string", "One trigger."),
        _parameter("minLevel", "string", "This level and those above.", enum=_LEVELS),
        _parameter("status", "string", "The new state.", "SUCCESS", enum=_STATES),
        _parameter("newStatus", "string", "The new state.", "SUCCESS", enum=_STATES),
        _parameter("isOnKillCascade", "boolean", "Kill what it started too.", default=True),
        _parameter("includeNonTerminated", "boolean", "Delete running ones too.", default=False),
        _parameter("deleteLogs", "boolean", "With their log lines.", default=True),
        _parameter("deleteMetrics", "boolean", "With their metrics.", default=True),
        _parameter("deleteStorage", "boolean", "With their files.", default=True),
        _parameter("path", "string", "The file's path or address.", "/scripts/main.py"),
        _parameter("from", "string", "The path before.", "/old.txt"),
        _parameter("to", "string", "The path after.", "/new.txt"),
        _parameter("maxRows", "integer", "At most so many rows.", 100, minimum=0),
        _parameter("encoding", "string", "How the file is written.", "UTF-8"),
        _parameter("source", "boolean", "With the text.", default=False),
        _parameter("allowDeleted", "boolean", "Also when it was deleted.", default=False),
        _parameter("delete", "boolean", "Delete what is not listed.", default=False),
        _parameter("failOnError", "boolean", "Refuse all when one is refused.", default=False),
        _parameter("revisions", "string", "Numbers between commas.", "1,2"),
        _parameter("section", "string", "What the text is.", enum=["TASKS", "TRIGGERS"]),
        _parameter("aggregation", "string", "How values are joined.", enum=["sum", "avg", "min", "max"]),
        _parameter("destinationOnly", "boolean", "Only what comes after.", default=False),
        _parameter("all", "boolean", "Properties of every task too.", default=False),
        _parameter("arrayOf", "boolean", "Of a list of such documents.", default=False),
        _parameter("existing", "boolean", "Only namespaces that hold flows.", default=False),
        _parameter("disabled", "boolean", "Disable, or enable.", default=True),
    )
}
PATH_EXAMPLES = {
    "namespace": "company.team",
    "flow_id": "hello",
    "execution_id": "24znmto07B2ZGrI9IQoSSH",
    "task_id": "say",
    "trigger_id": "daily",
    "key": "my_key",
    "cls": "io.kestra.plugin.core.log.Log",
    "kind": "flow",
    "version": "1.3.0",
    "metric": "rows",
}


# --- schemas


def _object(required: str = "", **properties: Any) -> Json:
    found: Json = {"type": "object", "properties": {name.rstrip("_"): value for name, value in properties.items()}}
    return {**found, "required": required.split()} if required else found


def _ref(name: str) -> Json:
    return {"$ref": f"#/components/schemas/{name}"}


def _list(item: Json) -> Json:
    return {"type": "array", "items": item}


_TEXT: Json = {"type": "string"}
_NUMBER: Json = {"type": "integer"}
_SWITCH: Json = {"type": "boolean"}
_DATE: Json = {"type": "string", "format": "date-time"}
_MAP: Json = {"type": "object", "additionalProperties": True}
_STATE: Json = {"type": "string", "enum": _STATES}

SCHEMAS: dict[str, Json] = {
    "Error": _object(
        "message",
        message=_TEXT,
        _links=_MAP,
        _embedded=_object(errors=_list(_object(message=_TEXT, path=_TEXT, line=_NUMBER, column=_NUMBER))),
    ),
    "Label": _object("key value", key=_TEXT, value=_TEXT),
    "State": _object(
        "current histories",
        current=_STATE,
        histories=_list(_object(state=_STATE, date=_DATE)),
        duration={"type": "string", "example": "PT0.546S"},
        startDate=_DATE,
        endDate=_DATE,
    ),
    "TaskRun": _object(
        "id taskId state",
        id=_TEXT,
        executionId=_TEXT,
        namespace=_TEXT,
        flowId=_TEXT,
        taskId=_TEXT,
        parentTaskRunId=_TEXT,
        value=_TEXT,
        iteration=_NUMBER,
        attempts=_list(_object(state=_ref("State"), workerId=_TEXT)),
        outputs=_MAP,
        state=_ref("State"),
    ),
    "Execution": _object(
        "id namespace flowId flowRevision state",
        id=_TEXT,
        namespace=_TEXT,
        flowId=_TEXT,
        flowRevision=_NUMBER,
        taskRunList=_list(_ref("TaskRun")),
        inputs=_MAP,
        outputs=_MAP,
        labels=_list(_ref("Label")),
        variables=_MAP,
        state=_ref("State"),
        parentId=_TEXT,
        originalId=_TEXT,
        trigger=_MAP,
        deleted=_SWITCH,
        metadata=_object(attemptNumber=_NUMBER, originalCreatedDate=_DATE),
        url=_TEXT,
    ),
    "Flow": _object(
        "id namespace tasks",
        id=_TEXT,
        namespace=_TEXT,
        revision=_NUMBER,
        description=_TEXT,
        labels=_list(_ref("Label")),
        inputs=_list(_MAP),
        tasks=_list(_MAP),
        errors=_list(_MAP),
        triggers=_list(_MAP),
        outputs=_list(_MAP),
        disabled=_SWITCH,
        deleted=_SWITCH,
        updated=_DATE,
        source=_TEXT,
    ),
    "Validation": _object(
        "index outdated",
        index=_NUMBER,
        flow=_TEXT,
        namespace=_TEXT,
        constraints=_TEXT,
        outdated=_SWITCH,
        deprecationPaths=_list(_TEXT),
        warnings=_list(_TEXT),
        infos=_list(_TEXT),
    ),
    "LogEntry": _object(
        "namespace flowId timestamp level message",
        namespace=_TEXT,
        flowId=_TEXT,
        taskId=_TEXT,
        executionId=_TEXT,
        taskRunId=_TEXT,
        attemptNumber=_NUMBER,
        triggerId=_TEXT,
        timestamp=_DATE,
        level={"type": "string", "enum": _LEVELS},
        thread=_TEXT,
        message=_TEXT,
    ),
    "MetricEntry": _object(
        "name type value",
        namespace=_TEXT,
        flowId=_TEXT,
        taskId=_TEXT,
        executionId=_TEXT,
        name=_TEXT,
        type={"type": "string", "enum": ["counter", "timer", "gauge"]},
        value={"type": "number"},
        timestamp=_DATE,
        tags=_MAP,
    ),
    "Trigger": _object(
        "namespace flowId triggerId",
        namespace=_TEXT,
        flowId=_TEXT,
        triggerId=_TEXT,
        disabled=_SWITCH,
        date=_DATE,
        nextExecutionDate=_DATE,
        executionId=_TEXT,
        updatedDate=_DATE,
        abstractTrigger=_MAP,
        triggerContext=_MAP,
    ),
    "KeyValueEntry": _object(
        "key", namespace=_TEXT, key=_TEXT, description=_TEXT, creationDate=_DATE, updateDate=_DATE
    ),
    "FileAttributes": _object(
        "fileName type",
        fileName=_TEXT,
        type={"type": "string", "enum": ["File", "Directory"]},
        size=_NUMBER,
        lastModifiedTime=_NUMBER,
        creationTime=_NUMBER,
    ),
    "Dashboard": _object(
        "id title charts",
        id=_TEXT,
        title=_TEXT,
        description=_TEXT,
        timeWindow=_object(default=_TEXT, max=_TEXT),
        charts=_list(_MAP),
        deleted=_SWITCH,
        created=_DATE,
        updated=_DATE,
        sourceCode=_TEXT,
    ),
    "Count": _object("count", count=_NUMBER),
}
COMPONENTS = {
    "schemas": SCHEMAS,
    "securitySchemes": {
        "basic": {"type": "http", "scheme": "basic"},
        "token": {"type": "http", "scheme": "bearer"},
        "session": {"type": "apiKey", "in": "cookie", "name": "sessionid"},
    },
}


def _json(schema: Json) -> Json:
    return {"application/json": {"schema": schema}}


def _paged(item: Json) -> Json:
    return _json(_object("results total", results=_list(item), total=_NUMBER))


ANSWERS: dict[str, Json] = {
    "any": _json({}),
    "texts": _json(_list(_TEXT)),
    "number": _json(_NUMBER),
    "switch": _json(_SWITCH),
    "map": _json(_MAP),
    "maps": _json(_list(_MAP)),
    "count": _json(_ref("Count")),
    "validations": _json(_list(_ref("Validation"))),
    "bytes": {"application/octet-stream": {"schema": {"type": "string", "format": "binary"}}},
    "text": {"text/plain": {"schema": _TEXT}},
    "csv": {"text/csv": {"schema": _TEXT}},
    **{name: _json(_ref(name)) for name in SCHEMAS},
    **{f"{name}[]": _json(_list(_ref(name))) for name in SCHEMAS},
    **{f"page of {name}": _paged(_ref(name)) for name in SCHEMAS},
    "page": _paged(_MAP),
}


# --- bodies


def _body(schema: Json, example: Any = None, kind: str = "application/json", required: bool = True) -> Json:
    content: Json = {"schema": schema}
    if example is not None:
        content["example"] = example
    return {"required": required, "content": {kind: content}}


CHART = """\
id: by_state
type: io.kestra.plugin.core.dashboard.chart.Table
data:
  type: io.kestra.plugin.core.dashboard.data.Executions
  columns:
    state: {field: STATE}
    total: {agg: COUNT}
"""
DASHBOARD = f"""\
id: overview
title: Overview
timeWindow: {{default: P7D, max: P90D}}
charts:
  - {CHART.replace(chr(10), chr(10) + "    ").rstrip()}
"""
_WINDOW = _object(
    startDate=_TEXT,
    endDate=_TEXT,
    timeRange=_TEXT,
    namespace=_TEXT,
    labels=_MAP,
    filters=_list(_object("field operation", field=_TEXT, operation=_TEXT, value={})),
    pageSize=_NUMBER,
    pageNumber=_NUMBER,
)
_WEEK = {"startDate": "2026-11-01T00:00:00Z", "endDate": "2026-11-08T00:00:00Z", "namespace": "company"}
_LABELS = [{"key": "team", "value": "a"}]
_IDS = ["24znmto07B2ZGrI9IQoSSH"]
_TRIGGER = {"namespace": "company.team", "flowId": "hello", "triggerId": "daily"}
_TRIGGER_SCHEMA = _object(
    "namespace flowId triggerId", namespace=_TEXT, flowId=_TEXT, triggerId=_TEXT, disabled=_SWITCH
)
_FLOW_KEY = _object("namespace id", namespace=_TEXT, id=_TEXT)
_SWITCHES = {name: {"type": "boolean"} for name in ("caseSensitive", "wholeWord", "regex")}
BODIES: dict[str, Json] = {
    "flow": _body(_TEXT, FLOW, "application/x-yaml"),
    "flows": _body(_TEXT, f"{FLOW}---\n{FLOW.replace('hello', 'other', 1)}", "application/x-yaml"),
    "yaml": _body(_TEXT, FLOW[FLOW.index("  - id: say") :].replace("  - ", "", 1), "application/x-yaml"),
    "task": _body(_MAP, {"id": "say", "type": "io.kestra.plugin.core.log.Log", "message": "Hello"}),
    "template": _body(_MAP, {"id": "t", "namespace": "company.team", "tasks": []}),
    "templates": _body(_list(_MAP), []),
    "flow keys": _body(_list(_FLOW_KEY), [{"namespace": "company.team", "id": "hello"}]),
    "replacement": _body(
        _object("query replacement", query=_TEXT, replacement=_TEXT, **_SWITCHES), {"query": "a", "replacement": "b"}
    ),
    "replacement of flows": _body(
        _object("query replacement flows", query=_TEXT, replacement=_TEXT, flows=_list(_FLOW_KEY), **_SWITCHES),
        {"query": "a", "replacement": "b", "flows": [{"namespace": "company.team", "id": "hello"}]},
    ),
    "replacement of a line": _body(
        _object(
            "query replacement namespace id line",
            query=_TEXT,
            replacement=_TEXT,
            namespace=_TEXT,
            id=_TEXT,
            line={"type": "integer", "minimum": 1},
            column={"type": "integer", "minimum": 0},
            **_SWITCHES,
        ),
        {"query": "a", "replacement": "b", "namespace": "company.team", "id": "hello", "line": 1},
    ),
    "inputs": _body(
        {"type": "object", "additionalProperties": _TEXT}, {"name": "world"}, "multipart/form-data", required=False
    ),
    "ids": _body(_list(_TEXT), _IDS),
    "labels": _body(_list(_ref("Label")), _LABELS),
    "labels by ids": _body(
        _object("executionsId executionLabels", executionsId=_list(_TEXT), executionLabels=_list(_ref("Label"))),
        {"executionsId": _IDS, "executionLabels": _LABELS},
    ),
    "state": _body(
        _object("taskRunId state", taskRunId=_TEXT, state=_STATE), {"taskRunId": _IDS[0], "state": "SUCCESS"}
    ),
    "expression": _body(_TEXT, "{{ execution.id }}", "text/plain"),
    "trigger": _body(_TRIGGER_SCHEMA, {**_TRIGGER, "disabled": True}),
    "triggers": _body(_list(_TRIGGER_SCHEMA), [_TRIGGER]),
    "triggers and switch": _body(
        _object("triggers disabled", triggers=_list(_TRIGGER_SCHEMA), disabled=_SWITCH),
        {"triggers": [_TRIGGER], "disabled": True},
    ),
    "span": _body(
        _object(
            q=_TEXT,
            namespace=_TEXT,
            flowId=_TEXT,
            startDate=_TEXT,
            endDate=_TEXT,
            state=_list(_STATE),
            flows=_list(_FLOW_KEY),
            minLevel=_TEXT,
        ),
        {"namespace": "company.team", "startDate": "2026-01-01T00:00:00Z", "endDate": "2026-01-31T00:00:00Z"},
    ),
    "dashboard": _body(_TEXT, DASHBOARD, "application/x-yaml"),
    "window": _body(_WINDOW, _WEEK, required=False),
    "preview": _body(_object("chart", chart=_TEXT, globalFilter=_WINDOW), {"chart": CHART, "globalFilter": _WEEK}),
    "value": _body(_TEXT, '"a value"', "text/plain"),
    "keys": _body(_object("keys", keys=_list(_TEXT)), {"keys": ["my_key"]}),
    "words": _body(_object(q=_TEXT), {"q": "company"}),
    "file": _body(
        _object("fileContent", fileContent={"type": "string", "format": "binary"}), kind="multipart/form-data"
    ),
    "upload": _body(
        _object("fileUpload", fileUpload={"type": "string", "format": "binary"}), kind="multipart/form-data"
    ),
    "password": _body(_object("username password", username=_TEXT, password=_TEXT), {"username": "a", "password": "b"}),
    "any": _body({}, {"any": "thing"}, required=False),
}
