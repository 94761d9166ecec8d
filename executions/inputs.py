"""Given inputs of a new (or resumed) execution: uploads stored, templates of defaults rendered, secrets encrypted."""

from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from typing import Any

from executions import database, encryption
from executions.expressions import SiteServices, place_of, site_variables
from executions.storage.base import execution_prefix, uri_of
from executions.storage.site import current as current_storage
from flows.definition.input_types import Input
from flows.definition.inputs import Answer, InvalidInputs, answer_inputs, check_inputs
from flows.definition.model import Flow
from flows.expressions.render import DictScope, render_value

Json = Any


def checked_inputs(
    flow: Flow,
    given: Mapping[str, Json],
    files: Mapping[str, Any],
    execution_id: str,
    trigger: Mapping[str, Json] | None = None,
    inputs: Sequence[Input] | None = None,
    connection: Any = None,
) -> dict[str, Json]:
    """The values to store; `inputs` instead of the flow's own for a Pause's `onResume`. Raises InvalidInputs."""
    wanted = flow.inputs if inputs is None else inputs
    if not wanted:
        return {}
    values = {**given, **_stored(flow, execution_id, wanted, files)}
    return check_inputs(
        wanted,
        values,
        render=renderer(flow, execution_id, trigger, connection),
        encrypt=encryption.encrypt_input if encryption.is_configured() else None,
    )


def answers(
    flow: Flow, given: Mapping[str, Json], files: Mapping[str, Any], inputs: Sequence[Input]
) -> tuple[Answer, ...]:
    """What would become of each input, for forms; nothing is stored."""
    values = {**given, **{name: f"kestra:///{name}" for name in files}}
    return answer_inputs(
        inputs,
        values,
        render=renderer(flow, "", None, None),
        encrypt=encryption.encrypt_input if encryption.is_configured() else None,
    )


def renderer(
    flow: Flow, execution_id: str, trigger: Mapping[str, Json] | None = None, connection: Any = None
) -> Callable[[Any, Mapping[str, Json]], Json]:
    """Renders a value, with given inputs in scope, for an execution that does not exist yet."""
    roots: dict[str, Any] = {
        "flow": {"id": flow.id, "namespace": flow.namespace, "revision": flow.revision},
        "execution": {"id": execution_id},
        "vars": flow.variables,
        **site_variables(),
        "labels": {label["key"]: label["value"] for label in flow.labels},
        "trigger": dict((trigger or {}).get("variables") or {}),
    }
    services: SiteServices | None = None

    def render(value: Any, known: Mapping[str, Json]) -> Json:
        nonlocal services
        if services is None:
            place = place_of(flow.namespace, flow.id, execution_id, roots["trigger"])
            services = SiteServices(lambda: nullcontext(connection or database.current()), place, public_only=True)
        scope = DictScope({**roots, "inputs": encryption.revealed(dict(known))})
        return render_value(value, scope, services, typed=True)

    return render


def _stored(flow: Flow, execution_id: str, inputs: Sequence[Input], files: Mapping[str, Any]) -> dict[str, str]:
    """Uploads in the internal storage, by input id; a file that no input asks for is not kept."""
    known = {one.id for one in inputs if one.type == "FILE"}
    errors = [
        (name, f"Invalid input for `{name}`, not a FILE input")
        for name in files
        if name not in known and any(one.id == name for one in inputs)
    ]
    if errors:
        raise InvalidInputs(errors)
    prefix = execution_prefix(flow.namespace, flow.id, execution_id)
    storage = current_storage()
    return {
        name: storage.put(uri_of(f"{prefix}/inputs/{name}/{_file_name(upload, name)}"), upload)
        for name, upload in files.items()
        if name in known
    }


def _file_name(upload: Any, fallback: str) -> str:
    name = str(getattr(upload, "name", "") or fallback).replace("\\", "/").rpartition("/")[2]
    return name if name not in ("", ".", "..") else fallback
