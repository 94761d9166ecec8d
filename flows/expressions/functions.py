"""Functions answered from the arguments, the variables, the clock and the random source of the frame."""

from __future__ import annotations

import math
import uuid as uuids
from collections.abc import Mapping
from datetime import date, datetime, time, timedelta

from flows.expressions import crypto
from flows.expressions.errors import ExpressionError
from flows.expressions.filters.dates import date_, to_moment, zone
from flows.expressions.frame import Frame
from flows.expressions.ion_reader import parse_ion
from flows.expressions.java_text import java_string
from flows.expressions.json_text import parse_json, to_json
from flows.expressions.operations import Operation, function
from flows.expressions.operators import compare, make_range
from flows.expressions.output import settled, text_of
from flows.expressions.taint import Tainted, mask, spread
from flows.expressions.values import UNDEFINED, attribute
from flows.expressions.yaml_reader import parse_yaml

BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
NANO_ALPHABET = "_-0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
KSUID_EPOCH = 1_400_000_000
LONGEST_NANO_ID = 1000
PRIVATE_PORTS = (49_152, 65_535)


def now(
    frame: Frame,
    format_: object = None,
    time_zone: object = None,
    existing_format: object = None,
    locale: object = None,
) -> object:
    return date_(frame, frame.services.now(), format_, time_zone, existing_format, locale)


def from_json(frame: Frame, json: object) -> object:
    if json is None:
        return None
    _only_text(json, "json")
    frame.budget.grow(2 * len(str(json)))
    return parse_json(str(json))


def from_ion(frame: Frame, ion: object, all_rows: object = False) -> object:
    if ion is None:
        return None
    _only_text(ion, "fromIon")
    frame.budget.grow(2 * len(str(ion)))
    rows = parse_ion(str(ion))
    return rows if all_rows is True else rows[0] if rows else None


def yaml(frame: Frame, yaml: object) -> object:
    if yaml is None:
        return None
    _only_text(yaml, "yaml")
    frame.budget.grow(2 * len(str(yaml)))
    return parse_yaml(str(yaml))


def _only_text(value: object, name: str) -> None:
    if not isinstance(value, str):
        raise ExpressionError(f"The '{name}' function expects a text.")


def render(frame: Frame, to_render: object, recursive: object = True) -> object:
    return _render(frame, to_render, recursive is True or recursive == "true")


def render_once(frame: Frame, to_render: object) -> object:
    return _render(frame, to_render, recursive=False)


def _render(frame: Frame, value: object, recursive: bool, depth: int = 0) -> object:
    if isinstance(value, str):
        rendered = frame.render_repeatedly(value) if recursive else frame.render_text(value)
        return spread(rendered) if isinstance(value, Tainted) else rendered
    if depth > frame.budget.limits.depth:
        raise ExpressionError("The value is nested too deeply")
    frame.budget.spend()
    if isinstance(value, Mapping):
        return {
            text_of(_render(frame, key, recursive, depth + 1)): _render(frame, value[key], recursive, depth + 1)
            for key in value
        }
    if isinstance(value, (list, tuple)):
        return [_render(frame, item, recursive, depth + 1) for item in value]
    if isinstance(value, (datetime, date, time, timedelta)):
        return java_string(value)
    return value


def print_context(frame: Frame) -> object:
    """Every variable, secrets masked."""
    variables: dict[str, object] = {}
    for name in frame.scope.names():
        value = frame.scope.lookup(name)
        if value is not UNDEFINED:
            variables[name] = settled(value)
    variables |= frame.locals
    return to_json(mask(variables), pretty=True)


def current_each_output(frame: Frame, outputs: object) -> object:
    """The outputs of a task in the same iteration: by the parents' values, outermost first, then ours if we have one
    (a task in an If inside a loop has none). Null when there are none."""
    parents = frame.lookup("parents")
    found = outputs
    for parent in reversed(parents) if isinstance(parents, (list, tuple)) else ():
        value = attribute(attribute(parent, "taskrun"), "value")
        if value is not UNDEFINED and value is not None:
            found = attribute(found, value)
    own = attribute(frame.lookup("taskrun"), "value")
    if own is not UNDEFINED and own is not None:
        found = attribute(found, own)
    return None if found is UNDEFINED else found


def tasks_with_state(frame: Frame, state: object) -> object:
    """`{taskId, state}` of every task run in that state; in loops also its `value`."""
    wanted = text_of(state).upper()
    tasks = settled(frame.scope.lookup("tasks"))
    found: list[object] = []
    for task_id, entry in tasks.items() if isinstance(tasks, Mapping) else ():
        if not isinstance(entry, Mapping):
            continue
        by_value = [(None, entry)] if isinstance(entry.get("state"), str) else entry.items()
        for value, run in by_value:
            if attribute(run, "state") == wanted:
                named = {} if value is None else {"value": value}
                found.append({"taskId": task_id, **named, "state": wanted})
    return found


def iteration_output(frame: Frame, outputs: object, iteration: object = None) -> object:
    """A task's outputs in an iteration of its loop, counted from 0; in the one before ours when none is named."""
    if iteration is None:
        own = attribute(frame.lookup("taskrun"), "iteration")
        iteration = own - 1 if isinstance(own, int) else None
    turns = [outputs[key] for key in outputs] if isinstance(outputs, Mapping) else outputs
    if not isinstance(iteration, int) or not isinstance(turns, (list, tuple)) or not 0 <= iteration < len(turns):
        raise ExpressionError("The 'iterationOutput' function found no output for this iteration")
    return turns[iteration]


def parent_output(frame: Frame, index: object = 0) -> object:
    """The outputs of the task around this one, or of one further out."""
    parents = frame.lookup("parents")
    found = attribute(attribute(parents, index), "outputs") if isinstance(parents, (list, tuple)) else UNDEFINED
    if found is UNDEFINED:
        raise ExpressionError("The 'parentOutput' function found no such parent with outputs")
    return found


def loop_outputs(frame: Frame, outputs: object, name: object) -> object:
    """One of the outputs of a Loop, of all its iterations: `loopOutputs(outputs.loop.outputs, 'id')`."""
    if not isinstance(outputs, (list, tuple)):
        raise ExpressionError("The 'loopOutputs' function expects the outputs of a Loop as its argument 'outputs'.")
    return [attribute(attribute(entry, "outputs"), text_of(name)) for entry in outputs]


def file_uri(frame: Frame, path: object, namespace: object = None) -> object:
    """Where a namespace file is in the internal storage; whether it exists is not asked."""
    if path is None:
        raise ExpressionError("The 'fileURI' function expects an argument 'path'.")
    if namespace is None:
        namespace = attribute(frame.scope.lookup("flow"), "namespace")
    if not isinstance(namespace, str):
        raise ExpressionError("The 'fileURI' function needs a namespace")
    return f"kestra:///{namespace.replace('.', '/')}/_files/{text_of(path).lstrip('/')}"


def decrypt(frame: Frame, key: object, encrypted: object) -> object:
    if not isinstance(key, str) or not isinstance(encrypted, str):
        raise ExpressionError("The 'decrypt' function expects an argument 'key' and an argument 'encrypted'.")
    return crypto.decrypt(str(key), str(encrypted))


def uuid(frame: Frame) -> object:
    return str(uuids.UUID(bytes=frame.services.random().randbytes(16), version=4))


def id_(frame: Frame) -> object:
    """22 characters of base 62, as the ids of executions."""
    number = uuids.UUID(bytes=frame.services.random().randbytes(16), version=4).int
    return _base62(number, 22)


def _base62(number: int, width: int) -> str:
    digits = []
    for _ in range(width):
        number, digit = divmod(number, 62)
        digits.append(BASE62[digit])
    return "".join(reversed(digits))


def nano_id(frame: Frame, length: object = 21, alphabet: object = NANO_ALPHABET) -> object:
    if not isinstance(length, int) or isinstance(length, bool) or not 0 < length <= LONGEST_NANO_ID:
        raise ExpressionError(f"The argument 'length' must be an integer from 1 to {LONGEST_NANO_ID}")
    letters = text_of(alphabet)
    if not letters:
        raise ExpressionError("The argument 'alphabet' must not be empty")
    random = frame.services.random()
    return "".join(letters[random.randint(0, len(letters) - 1)] for _ in range(length))


def ksuid(frame: Frame) -> object:
    """Seconds and 128 random bits, sortable by time, 27 characters of base 62."""
    seconds = int(frame.services.now().timestamp()) - KSUID_EPOCH
    body = seconds.to_bytes(4, "big") + frame.services.random().randbytes(16)
    return _base62(int.from_bytes(body, "big"), 27)


def random_int(frame: Frame, lower: object, upper: object) -> object:
    """From `lower` up to but not including `upper`."""
    for value in (lower, upper):
        if not isinstance(value, int) or isinstance(value, bool):
            raise ExpressionError("The 'randomInt' function expects integers for 'lower' and 'upper'.")
    if int(lower) >= int(upper):  # type: ignore[call-overload]
        raise ExpressionError("In randomInt, lower must be less than upper")
    return frame.services.random().randint(int(lower), int(upper) - 1)  # type: ignore[call-overload]


def random_port(frame: Frame) -> object:
    return frame.services.random().randint(*PRIVATE_PORTS)


def range_(frame: Frame, from_: object, to: object, increment: object = 1) -> object:
    return make_range(frame, from_, to, increment)


def max_(frame: Frame, *values: object) -> object:
    return _extreme(values, 1)


def min_(frame: Frame, *values: object) -> object:
    return _extreme(values, -1)


def _extreme(values: tuple[object, ...], sign: int) -> object:
    candidates = list(values[0]) if len(values) == 1 and isinstance(values[0], (list, tuple)) else list(values)
    best = None
    for candidate in candidates:
        if best is None or (candidate is not None and compare(candidate, best) * sign > 0):
            best = candidate
    return best


def block(frame: Frame, name: object) -> object:
    found = (frame.blocks or {}).get(text_of(name))
    if found is None:
        raise ExpressionError(f"The block '{text_of(name)[:100]}' does not exist")
    return found(frame)


# The calendar, of a date in the server's zone.


def _moment(frame: Frame, value: object, time_zone: object) -> datetime:
    return to_moment(frame.services.now() if value is None else value, zone(frame, time_zone))


def day_of_week(frame: Frame, date: object = None, time_zone: object = None) -> object:
    return _moment(frame, date, time_zone).strftime("%A").upper()


def day_of_month(frame: Frame, date: object = None, time_zone: object = None) -> object:
    return _moment(frame, date, time_zone).day


def month_of_year(frame: Frame, date: object = None, time_zone: object = None) -> object:
    return _moment(frame, date, time_zone).month


def hour_of_day(frame: Frame, date: object = None, time_zone: object = None) -> object:
    return _moment(frame, date, time_zone).hour


def is_weekend(frame: Frame, date: object = None, time_zone: object = None) -> object:
    return _moment(frame, date, time_zone).weekday() >= 5


def is_day_week_in_month(
    frame: Frame, date: object, day_of_week: object, day_in_month: object, time_zone: object = None
) -> object:
    """`isDayWeekInMonth(date, "MONDAY", "FIRST")`: FIRST to FOURTH, LAST."""
    moment = _moment(frame, date, time_zone)
    if moment.strftime("%A").upper() != text_of(day_of_week).upper():
        return False
    which = text_of(day_in_month).upper()
    if which == "LAST":
        return (moment + timedelta(days=7)).month != moment.month
    numbers = {"FIRST": 1, "SECOND": 2, "THIRD": 3, "FOURTH": 4}
    if which not in numbers:
        raise ExpressionError("The argument 'dayInMonth' must be FIRST, SECOND, THIRD, FOURTH or LAST")
    return math.ceil(moment.day / 7) == numbers[which]


FUNCTIONS: dict[str, Operation] = {
    "block": function(block, derives=False),
    "currentEachOutput": function(current_each_output, derives=False),
    "dayOfMonth": function(day_of_month),
    "dayOfWeek": function(day_of_week),
    "decrypt": function(decrypt),
    "fetchContext": function(print_context),
    "fileURI": function(file_uri),
    "fromIon": function(from_ion),
    "fromJson": function(from_json),
    "hourOfDay": function(hour_of_day),
    "id": function(id_),
    "isDayWeekInMonth": function(is_day_week_in_month),
    "isWeekend": function(is_weekend),
    "iterationOutput": function(iteration_output, derives=False),
    "json": function(from_json),
    "ksuid": function(ksuid),
    "loopOutputs": function(loop_outputs, derives=False),
    "max": function(max_, derives=False),
    "min": function(min_, derives=False),
    "monthOfYear": function(month_of_year),
    "nanoId": function(nano_id),
    "now": function(now),
    "parentOutput": function(parent_output, derives=False),
    "printContext": function(print_context),
    "randomInt": function(random_int),
    "randomPort": function(random_port),
    "range": function(range_),
    "render": function(render, derives=False),
    "renderOnce": function(render_once, derives=False),
    "tasksWithState": function(tasks_with_state),
    "uuid": function(uuid),
    "yaml": function(yaml),
}
