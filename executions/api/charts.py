"""What a chart shows: its columns over the rows that the caller may see, grouped and counted by the database."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from django.db.models import Avg, Count, F, Func, Max, Min, Q, QuerySet, Sum, TextField, Value
from django.db.models.functions import Trunc

from executions.api import executions, filters, forms, logs
from executions.api.serialize import LEVELS, iso
from executions.api.stats import unit_of
from executions.ids import to_base62
from executions.models import LogRecord, MetricRecord, TriggerRecord
from flows.access import Access
from flows.api.errors import Unprocessable
from flows.api.filters import Condition, Tree, condition, parse_date, regex, text, tree_of
from flows.definition.dashboard import Chart, Column, Data, Order, Where
from flows.definition.durations import parse_duration

Json = dict[str, Any]
MOST_ROWS = 10_000
_MOST_IN_A_PAGE = 1_000
_AGGREGATES = {"AVG": Avg, "MAX": Max, "MIN": Min, "SUM": Sum}
_LOOKUPS = {
    "EQUAL_TO": "exact",
    "NOT_EQUAL_TO": "exact",
    "IN": "in",
    "NOT_IN": "in",
    "CONTAINS": "icontains",
    "STARTS_WITH": "startswith",
    "ENDS_WITH": "endswith",
    "REGEX": "regex",
    "GREATER_THAN": "gt",
    "GREATER_THAN_OR_EQUAL_TO": "gte",
    "LESS_THAN": "lt",
    "LESS_THAN_OR_EQUAL_TO": "lte",
}
_OF_TEXTS = {"CONTAINS", "STARTS_WITH", "ENDS_WITH", "REGEX"}


@dataclass(frozen=True, slots=True)
class Window:
    """What a reader asks of a chart beside its own text."""

    start: datetime
    end: datetime
    namespace: str | None = None
    labels: dict[str, str] = field(default_factory=dict)
    filters: Tree = field(default_factory=lambda: Tree("and", ()))
    page: int = 1
    size: int | None = None


def window_of(body: Json, default: timedelta, longest: timedelta) -> Window:
    """From a request's body. Raises Unprocessable."""
    end = _moment(body, "endDate") or datetime.now(UTC)
    start = _moment(body, "startDate")
    if start is None:
        start = end - (_length(body["timeRange"]) if body.get("timeRange") else default)
    if start > end:
        raise Unprocessable("Illegal argument: Start date must be before End Date")
    if end - start > longest:
        raise Unprocessable(f"Illegal argument: Time window is larger than the maximum of {longest.days} days")
    namespace, labels = body.get("namespace"), body.get("labels", {})
    if not isinstance(namespace, str | None) or not isinstance(labels, dict | None):
        raise Unprocessable("Invalid entity: namespace must be a text, labels a map")
    size = _number(body, "pageSize", _MOST_IN_A_PAGE)
    return Window(
        start,
        end,
        namespace,
        {str(key): str(value) for key, value in (labels or {}).items()},
        tree_of(body.get("filters")),
        _number(body, "pageNumber", 1 << 20) or 1,
        size,
    )


def _moment(body: Json, name: str) -> datetime | None:
    given = body.get(name)
    if given is None:
        return None
    if not isinstance(given, str):
        raise Unprocessable(f"Illegal argument: {name} must be a date")
    return forms.moment({name: given}, name)


def _length(given: Any) -> timedelta:
    try:
        return parse_duration(given)
    except ValueError as error:
        raise Unprocessable(f"Illegal argument: timeRange: {error}") from None


def _number(body: Json, name: str, most: int) -> int | None:
    given = body.get(name)
    if given is None:
        return None
    if not isinstance(given, int) or isinstance(given, bool) or not 1 <= given <= most:
        raise Unprocessable(f"Illegal argument: {name} must lie between 1 and {most}")
    return given


# --- the kinds of data


@dataclass(frozen=True, slots=True)
class Source:
    rows: Callable[[Access], "QuerySet[Any]"]
    date: str | None  # the column that the window is about
    columns: dict[str, Any]  # Kestra's names to expressions
    filters: dict[str, Condition]


_PLACE: dict[str, Condition] = {"namespace": text("namespace"), "flowId": text("flow_id")}
_TASK = {"TASK_ID": "task_id", "TASK_RUN_ID": "task_run_id", "EXECUTION_ID": "execution_id", "DATE": "timestamp"}
_FLOW = {"NAMESPACE": "namespace", "FLOW_ID": "flow_id"}
SOURCES = {
    "Executions": Source(
        executions.visible,
        "start_date",
        {
            **_FLOW,
            "ID": "id",
            "FLOW_REVISION": "flow_revision",
            "STATE": "state",
            "DURATION": executions.LENGTH,
            "START_DATE": "start_date",
            "END_DATE": "end_date",
            "TRIGGER_EXECUTION_ID": "trigger_execution_id",
        },
        executions.FIELDS,
    ),
    "Logs": Source(
        lambda access: access.filter(LogRecord.objects.all()),
        "timestamp",
        {
            **_FLOW,
            **_TASK,
            "TRIGGER_ID": "trigger_id",
            "ATTEMPT_NUMBER": "attempt",
            "LEVEL": "level",
            "MESSAGE": "message",
        },
        logs.FIELDS,
    ),
    "Metrics": Source(
        lambda access: access.filter(MetricRecord.objects.all()),
        "timestamp",
        {**_FLOW, **_TASK, "TYPE": "kind", "NAME": "name", "VALUE": "value"},
        _PLACE,
    ),
    "Triggers": Source(
        lambda access: access.filter(TriggerRecord.objects.all()),
        None,
        {**_FLOW, "TRIGGER_ID": "trigger_id", "EXECUTION_ID": "execution_id", "NEXT_EXECUTION_DATE": "next_date"},
        _PLACE,
    ),
}


def _expression(source: Source, name: str | None, label_key: str | None) -> Any:
    if name == "LABELS":
        path = "$[*] ? (@.key == $k).value"
        found = Func(
            F("labels"),
            Value(path),
            Func(Value("k"), Value(label_key or ""), function="jsonb_build_object"),
            function="jsonb_path_query_first",
            template="(%(function)s(%(expressions)s) #>> '{}')",
            output_field=TextField(),
        )
        return found
    expression = source.columns[name or "NAMESPACE"]
    return F(expression) if isinstance(expression, str) else expression


# --- rows


def chart_data(access: Access, chart: Chart, window: Window) -> Json:
    """`{"results", "total"}`. Raises Unprocessable for a chart without data."""
    if chart.data is None:
        raise Unprocessable(f"Illegal argument: chart {chart.id} has no data")
    rows = _rows(access, chart.data, window)
    if chart.data.is_kpi:
        return {"results": [{"value": _share(rows, chart)}], "total": 1}
    return _table(rows, chart.data, window)


def _rows(access: Access, data: Data, window: Window) -> "QuerySet[Any]":
    source = SOURCES[data.source]
    rows = source.rows(access)
    if data.source == "Executions":
        rows = rows.annotate(length=executions.LENGTH)
    if source.date is not None:
        rows = rows.filter(**{f"{source.date}__gte": window.start, f"{source.date}__lte": window.end})
    if window.namespace:
        rows = rows.filter(Q(namespace=window.namespace) | Q(namespace__startswith=window.namespace + "."))
    if window.labels and data.source == "Executions":
        rows = rows.filter(labels__contains=[{"key": key, "value": value} for key, value in window.labels.items()])
    rows = rows.filter(condition(window.filters, source.filters))
    return _narrowed(rows, source, data.where)


def _narrowed(rows: "QuerySet[Any]", source: Source, conditions: Sequence[Where]) -> "QuerySet[Any]":
    aliases: Json = {}
    wanted = [_condition(one, source, aliases) for one in conditions]
    rows = rows.alias(**aliases)
    for one in wanted:
        rows = rows.filter(one)
    return rows


def _condition(where: Where, source: Source, aliases: Json) -> Q:
    if where.type == "OR":
        found = Q(pk__in=())
        for one in where.any_of():
            found |= _condition(one, source, aliases)
        return found
    alias = f"w{len(aliases)}"
    aliases[alias] = _expression(source, where.field, where.label_key)
    if where.type in ("IS_NULL", "IS_NOT_NULL"):
        return Q(**{f"{alias}__isnull": where.type == "IS_NULL"})
    if where.type in ("IS_TRUE", "IS_FALSE"):
        raise Unprocessable(f"Illegal argument: {where.field} is no boolean")
    if where.type in ("IN", "NOT_IN"):
        value: Any = [_value(where, one) for one in where.values or ()]
    else:
        value = _value(where, where.value)
    found = Q(**{f"{alias}__{_LOOKUPS[where.type]}": value})
    return ~found if where.type.startswith("NOT") else found


def _value(where: Where, given: Any) -> Any:
    """As the column holds it. Raises Unprocessable."""
    name = where.field or ""
    if where.type in _OF_TEXTS:
        return regex(str(given)) if where.type == "REGEX" else str(given)
    if name.endswith("DATE"):
        return parse_date(str(given), name)
    if name == "LEVEL":
        return logs.level_number(str(given))
    if name == "STATE":
        return filters.parse_state(str(given))
    if name == "DURATION":
        return _length(given)
    if name in ("FLOW_REVISION", "ATTEMPT_NUMBER", "VALUE"):
        if isinstance(given, bool) or not isinstance(given, int | float) or abs(given) > 1e9:
            raise Unprocessable(f"Illegal argument: {name} is compared with a number")
        return given
    if name in ("ID", "EXECUTION_ID", "TASK_RUN_ID", "TRIGGER_EXECUTION_ID"):
        return filters.parse_execution_id(str(given)) or "00000000-0000-0000-0000-000000000000"
    return str(given)


def _share(rows: "QuerySet[Any]", chart: Chart) -> float | int:
    """The aggregate of those that meet the numerator, as a percentage of all where the chart asks for one."""
    assert chart.data is not None
    source, column = SOURCES[chart.data.source], chart.data.columns_read["value"]
    part = _single(_narrowed(rows, source, chart.data.numerator), source, column)
    if str(chart.chart_options.get("numberType", "FLAT")).upper() != "PERCENTAGE":
        return part
    whole = _single(rows, source, column)
    return round(100 * part / whole, 2) if whole else 0


def _single(rows: "QuerySet[Any]", source: Source, column: Column) -> float | int:
    found = _plain(rows.aggregate(found=_aggregate(source, column))["found"], column)
    return found if isinstance(found, int | float) else 0


def _aggregate(source: Source, column: Column) -> Any:
    if column.field is None:
        return Count("pk")
    expression = _expression(source, column.field, column.label_key)
    if column.agg in (None, "COUNT"):
        return Count(expression)
    if column.field not in ("DURATION", "VALUE", "FLOW_REVISION", "ATTEMPT_NUMBER"):
        raise Unprocessable(f"Illegal argument: {column.agg} of {column.field}: it is no number")
    return _AGGREGATES[column.agg](expression)


def _table(rows: "QuerySet[Any]", data: Data, window: Window) -> Json:
    source, columns = SOURCES[data.source], data.columns_read
    names = {name: f"c{number}" for number, name in enumerate(columns)}
    grouped = any(column.agg for column in columns.values())
    keys = {names[name]: _key(source, column, window, grouped) for name, column in columns.items() if not column.agg}
    found = rows.order_by().values(**keys) if keys else rows.order_by().annotate(all=Value(1)).values("all")
    if grouped:
        found = found.annotate(
            **{names[name]: _aggregate(source, column) for name, column in columns.items() if column.agg}
        )
    found = found.order_by(*_ordered(data, names))
    first = (window.page - 1) * (window.size or 0)
    page = list(found[first : first + window.size] if window.size else found[:MOST_ROWS])
    shown = [{name: _plain(row[names[name]], column) for name, column in columns.items()} for row in page]
    return {
        "results": [{name: value for name, value in row.items() if value is not None} for row in shown],
        "total": found.count() if window.size or len(page) == MOST_ROWS else len(page),
    }


def _key(source: Source, column: Column, window: Window, grouped: bool) -> Any:
    """Moments of a grouped chart fall into the bucket that suits the window."""
    expression = _expression(source, column.field, column.label_key)
    if grouped and (column.field or "").endswith("DATE"):
        return Trunc(expression, unit_of(window.end - window.start), tzinfo=UTC)
    return expression


def _ordered(data: Data, names: dict[str, str]) -> list[str]:
    wanted: Sequence[Order] = data.order_by
    if not wanted:
        dates = [name for name, column in data.columns_read.items() if (column.field or "").endswith("DATE")]
        wanted = [Order(column=name) for name in (dates or list(names))]
    return [("-" if one.order == "DESC" else "") + names[one.column] for one in wanted]


def _plain(value: Any, column: Column) -> Any:
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, datetime):
        return iso(value)
    if column.field == "LEVEL" and not column.agg:
        return LEVELS[value]
    if hasattr(value, "hex") and hasattr(value, "version"):
        return to_base62(value)
    return value
