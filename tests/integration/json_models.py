"""What the official clients' models say of Kestra's JSON, as data: fields, types, and which are required.

`name*` must be there; others may be absent, but are never null. A type is a word of TYPES, another model, an enum,
`[type]` for lists, `{type}` for maps. What only generated documents name (getDuration, getStartDate) is left out.
"""

import re
from datetime import datetime
from typing import Any

ENUMS = {
    "state_type": "CREATED SUBMITTED RUNNING PAUSED RESTARTED KILLING SUCCESS WARNING FAILED KILLED CANCELLED QUEUED"
    " RETRYING RETRIED SKIPPED BREAKPOINT RESUBMITTED",
    "execution_kind": "NORMAL TEST PLAYGROUND LOOP",
    "level": "ERROR WARN INFO DEBUG TRACE",
    "input_type": "STRING ENUM SELECT INT FLOAT BOOLEAN BOOL DATETIME DATE TIME DURATION FILE JSON ION URI SECRET ARRAY"
    " MULTISELECT YAML EMAIL FORM",
    "concurrency_behavior": "QUEUE CANCEL FAIL",
    "kv_type": "STRING NUMBER BOOLEAN DATETIME DATE DURATION JSON",
    "file_type": "File Directory",
    "relation_type": "SEQUENTIAL CHOICE ERROR FINALLY AFTER_EXECUTION PARALLEL DYNAMIC",
    "topology_relation": "FLOW_TASK FLOW_TRIGGER",
    "pagination_type": "OFFSET CURSOR",
    "edition": "OSS EE",
}
_EXECUTION = (
    "labels:[label] id*:text namespace*:text flowId*:text flowRevision*:int taskRunList:[task_run] inputs:map"
    " outputs:map variables:map state*:state parentId:text originalId*:text trigger:execution_trigger deleted*:bool"
    " metadata*:execution_metadata scheduleDate:date traceParent:text kind:execution_kind"
)
_FLOW = (
    "id*:text namespace*:text revision:int updated:date description:text inputs:[input] outputs:[output]"
    " disabled*:bool draft*:bool labels:[label] variables:map deleted*:bool finally:[task] tasks*:[task] errors:[task]"
    " afterExecution:[task] triggers:[task] concurrency:concurrency retry:map sla:[map]"
)
MODELS = {
    "execution": _EXECUTION,
    "created_execution": f"{_EXECUTION} url*:text",
    "label": "key*:text value*:text",
    "execution_metadata": "attemptNumber*:int originalCreatedDate*:date",
    "execution_trigger": "id*:text type*:text variables:map logFile:text",
    "task_run": "id*:text executionId*:text namespace*:text flowId*:text taskId*:text parentTaskRunId:text value:text"
    " attempts:[attempt] outputs:map state*:state iteration:int dynamic:bool forceExecution:bool",
    "attempt": "state*:state workerId:text logFile:text",
    "state": "duration*:duration startDate*:date endDate:date current*:state_type histories*:[state_history]",
    "state_history": "state*:state_type date*:date",
    "status_event": "executionId*:text tenantId*:text namespace*:text flowId*:text state*:state",
    "last_execution": "id*:text flowId*:text namespace*:text startDate*:date status*:state_type",
    "webhook_response": "tenantId:text id*:text namespace*:text flowId*:text flowRevision*:int"
    " trigger*:execution_trigger outputs:map labels:[label] state*:state url*:text",
    "eval_result": "result:text error:text stackTrace:text",
    "validated_inputs": "id*:text namespace*:text inputs*:[validated_input] checks*:[map]",
    "validated_input": "input*:input value:any enabled*:bool errors*:[error]",
    "error": "message*:text",
    "flow": _FLOW,
    "flow_with_source": f"{_FLOW} source*:text",
    "flow_for_execution": "id*:text namespace*:text revision*:int updated:date description:text inputs:[input]"
    " outputs:[output] disabled*:bool draft*:bool labels:map variables:map deleted*:bool tasks*:[task] errors:[task]"
    " finally:[task] afterExecution:[task] triggers:[task]",
    "task": "id*:text type*:text",
    "input": "id*:text type*:input_type description:text required:bool defaults:text_or_map displayName:text",
    "output": "id*:text type*:input_type value*:any description:text displayName:text required:bool",
    "concurrency": "limit*:int behavior*:concurrency_behavior",
    "concurrency_limit": "tenantId*:text namespace*:text flowId*:text running:int",
    "search_result": "model*:flow fragments*:[text] namespace*:text id*:text editable:bool matches:[map]",
    "violation": "index*:int filename:text namespace:text flow:text constraints:text outdated:bool"
    " deprecationPaths:[text] warnings:[text] infos:[text]",
    "flow_graph": "nodes*:[graph_node] edges*:[graph_edge] clusters*:[graph_cluster] flowables:[text]",
    "graph_node": "uid*:text type*:text branchType:text",
    "graph_edge": "source*:text target*:text relation*:relation",
    "graph_cluster": "cluster*:graph_node nodes*:[text] parents*:[text] start:text end:text",
    "relation": "relationType:relation_type value:text",
    "topology": "nodes*:[topology_node] edges*:[topology_edge]",
    "topology_node": "uid*:text namespace:text id:text",
    "topology_edge": "source*:text target*:text relation:topology_relation",
    "log_entry": "namespace*:text flowId*:text taskId:text executionId:text taskRunId:text attemptNumber*:int"
    " triggerId:text timestamp*:date level*:level thread:text message*:text executionKind:execution_kind",
    "metric_entry": "namespace*:text flowId*:text taskId:text executionId:text taskRunId:text type*:text name*:text"
    " value*:number timestamp*:date tags:{text}",
    "metric_aggregations": "groupBy*:text aggregations*:[metric_aggregation]",
    "metric_aggregation": "name*:text value:number date*:date",
    "kv_entry": "namespace*:text key*:text revision:int version:int description:text creationDate*:date"
    " updateDate*:date expirationDate:date",
    "kv_detail": "type*:kv_type value*:any revision*:int updated*:date",
    "file_metas": "size*:int",
    "file_attributes": "fileName*:text lastModifiedTime*:int creationTime*:int type*:file_type size*:int metadata:{text}",
    "trigger": "disabled*:bool namespace*:text flowId*:text triggerId*:text date*:date nextExecutionDate:date"
    " backfill:map stopAfter:[state_type] executionId:text updatedDate*:date evaluateRunningDate:date workerId:text"
    " updatedAt*:date evaluatedAt:date nextEvaluationDate:date locked*:bool lastTriggeredDate:date",
    "trigger_context": "disabled*:bool namespace*:text flowId*:text triggerId*:text date*:date nextExecutionDate:date",
    "triggers": "abstractTrigger*:task triggerContext*:trigger_context",
    "task_output": "taskId*:text taskRunId*:text value:text iteration:int inline:bool",
    "namespace": "id*:text deleted*:bool",
    "bulk_response": "count*:int",
    "configuration": "uuid*:text version*:text edition*:edition commitId:text chartDefaultDuration*:duration"
    " commitDate:date isCustomDashboardsEnabled*:bool isAnonymousUsageEnabled*:bool isUiAnonymousUsageEnabled:bool"
    " isTemplateEnabled:bool environment*:map url*:text preview*:preview systemNamespace*:text"
    " hiddenLabelsPrefixes*:[text] isAiEnabled:bool isBasicAuthInitialized*:bool pluginsHash*:int"
    " isConcurrencyViewEnabled:bool",
    "dashboard": "id*:text title*:text description:text timeWindow*:time_window charts*:[task] deleted*:bool"
    " created*:date updated*:date sourceCode*:text",
    "time_window": "default*:duration max*:duration",
    "preview": "initial*:int max*:int",
    "problem": "message*:text _links*:links _embedded*:embedded",
    "links": "self*:link",
    "link": "href*:text templated*:bool",
    "embedded": "errors*:[error]",
}
_DATE = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z$")
_DURATION = re.compile(r"^-?P(?!$)(\d+D)?(T(?=[-\d])(-?\d+H)?(-?\d+M)?(-?\d+(\.\d{1,9})?S)?)?$")


def _is_date(value: Any) -> bool:
    return isinstance(value, str) and bool(_DATE.match(value)) and datetime.fromisoformat(value) is not None


TYPES = {
    "text": lambda value: isinstance(value, str),
    "int": lambda value: isinstance(value, int) and not isinstance(value, bool),
    "number": lambda value: isinstance(value, int | float) and not isinstance(value, bool),
    "bool": lambda value: isinstance(value, bool),
    "date": _is_date,
    "duration": lambda value: isinstance(value, str) and bool(_DURATION.match(value)),
    "map": lambda value: isinstance(value, dict),
    "text_or_map": lambda value: isinstance(value, str | dict),
    "any": lambda value: True,
}


def faults(kind: str, value: Any, path: str = "$") -> list[str]:
    """Where `value` is not what `kind` says; nothing: it fits. `page of x` is the envelope of lists."""
    if kind.startswith("page of "):
        found = faults("map", value, path)
        if found:
            return found
        total = value.get("total")
        short = [] if isinstance(total, int) else [f"{path}.total: {total!r}"]
        return short + faults(f"[{kind.removeprefix('page of ')}]", value.get("results"), f"{path}.results")
    if kind[0] in "[{":
        if not isinstance(value, list if kind[0] == "[" else dict):
            return [f"{path}: {value!r:.80} is no {kind}"]
        pairs = enumerate(value) if kind[0] == "[" else value.items()
        return [fault for key, item in pairs for fault in faults(kind[1:-1], item, f"{path}[{key}]")]
    if kind in MODELS:
        return _faults_of_model(kind, value, path)
    fits = value in ENUMS[kind].split() if kind in ENUMS else TYPES[kind](value)
    return [] if fits else [f"{path}: {value!r:.80} is no {kind}"]


def _faults_of_model(name: str, value: Any, path: str) -> list[str]:
    if not isinstance(value, dict):
        return [f"{path}: {value!r:.80} is no {name}"]
    found = [f"{path}.{key}: null" for key, item in value.items() if item is None and key != "value"]
    for field in MODELS[name].split():
        key, _, kind = field.partition(":")
        if key.endswith("*") and key[:-1] not in value:
            found.append(f"{path}.{key[:-1]}: absent")
        key = key.rstrip("*")
        if value.get(key) is not None:
            found += faults(kind, value[key], f"{path}.{key}")
    return found
