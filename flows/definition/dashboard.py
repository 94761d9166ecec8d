"""A dashboard: charts over executions, logs, metrics and triggers, as Kestra writes them in YAML. Pure."""

from datetime import timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, PrivateAttr, ValidationError, model_validator

from flows.definition.durations import Duration
from flows.definition.strict import Strict

CHARTS = "io.kestra.plugin.core.dashboard.chart."
DATA = "io.kestra.plugin.core.dashboard.data."
_OF_EXECUTION = ("ID", "NAMESPACE", "FLOW_ID", "FLOW_REVISION", "STATE", "DURATION", "LABELS", "START_DATE", "END_DATE")
_OF_LOG = ("NAMESPACE", "FLOW_ID", "EXECUTION_ID", "TASK_ID", "TASK_RUN_ID", "TRIGGER_ID", "LEVEL", "MESSAGE", "DATE")
_OF_METRIC = ("NAMESPACE", "FLOW_ID", "TASK_ID", "EXECUTION_ID", "TASK_RUN_ID", "TYPE", "NAME", "VALUE", "DATE")
# What each kind of data can be asked for.
FIELDS: dict[str, tuple[str, ...]] = {
    "Executions": (*_OF_EXECUTION, "TRIGGER_EXECUTION_ID"),
    "Logs": (*_OF_LOG, "ATTEMPT_NUMBER"),
    "Metrics": _OF_METRIC,
    "Triggers": ("NAMESPACE", "FLOW_ID", "TRIGGER_ID", "EXECUTION_ID", "NEXT_EXECUTION_DATE"),
}
AGGREGATIONS = ("AVG", "COUNT", "MAX", "MIN", "SUM")
OPERATIONS = (
    "CONTAINS", "ENDS_WITH", "EQUAL_TO", "GREATER_THAN", "GREATER_THAN_OR_EQUAL_TO", "IN", "IS_FALSE", "IS_NOT_NULL",
    "IS_NULL", "IS_TRUE", "LESS_THAN", "LESS_THAN_OR_EQUAL_TO", "NOT_EQUAL_TO", "NOT_IN", "OR", "REGEX", "STARTS_WITH",
)  # fmt: skip
_SHOWING_DATA = ("Bar", "KPI", "Pie", "Table", "TimeSeries")


def _upper(value: Any) -> Any:
    return value.upper() if isinstance(value, str) else value


def _short(prefix: str) -> Any:
    """`io.kestra.plugin.` may be left out of a type."""

    def read(value: Any) -> Any:
        if not isinstance(value, str):
            return value
        full = value if value.startswith("io.kestra.plugin.") else f"io.kestra.plugin.{value}"
        return full.removeprefix(prefix)

    return BeforeValidator(read)


class Column(Strict):
    field: Annotated[str | None, BeforeValidator(_upper)] = None
    agg: Annotated[Literal["AVG", "COUNT", "MAX", "MIN", "SUM"] | None, BeforeValidator(_upper)] = None
    label_key: str | None = None
    display_name: str | None = None
    graph_style: str | None = None
    column_alignment: str | None = None


class Where(Strict):
    """A condition; `OR` joins further ones, which are its values."""

    field: Annotated[str | None, BeforeValidator(_upper)] = None
    type: Annotated[str, BeforeValidator(_upper)]
    value: Any = None
    values: tuple[Any, ...] | None = None
    label_key: str | None = None

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        if self.type not in OPERATIONS:
            raise ValueError(f"type: {self.type[:40]} is not one of {', '.join(OPERATIONS)}")
        if self.type == "OR":
            self.any_of()
        elif self.field is None:
            raise ValueError("field: must not be null")
        elif self.type in ("IN", "NOT_IN") and not self.values:
            raise ValueError("values: must not be empty")
        elif self.value is None and not self.type.startswith("IS_") and self.type not in ("IN", "NOT_IN"):
            raise ValueError("value: must not be null")
        return self

    def any_of(self) -> list["Where"]:
        return [one if isinstance(one, Where) else Where.model_validate(one) for one in self.values or ()]


class Order(Strict):
    column: str
    order: Annotated[Literal["ASC", "DESC"], BeforeValidator(_upper)] = "ASC"


class Data(Strict):
    type: Annotated[
        Literal["Executions", "Logs", "Metrics", "Triggers", "ExecutionsKPI", "LogsKPI", "MetricsKPI", "TriggersKPI"],
        _short(DATA),
    ]
    columns: dict[str, Any] = Field(min_length=1, max_length=30)
    where: tuple[Where, ...] = ()
    order_by: tuple[Order, ...] = ()
    numerator: tuple[Where, ...] = ()

    _read: dict[str, Column] = PrivateAttr(default_factory=dict)

    @property
    def source(self) -> str:
        return self.type.removesuffix("KPI")

    @property
    def is_kpi(self) -> bool:
        return self.type.endswith("KPI")

    @property
    def columns_read(self) -> dict[str, Column]:
        """By name; a KPI has the one column `value`."""
        return self._read

    @model_validator(mode="after")
    def _fits(self) -> Self:
        written = {"value": self.columns} if self.is_kpi else self.columns
        self._read = {name: _column(name, column) for name, column in written.items()}
        known = FIELDS[self.source]
        asked = [(f"columns.{name}", column.field) for name, column in self._read.items()]
        asked += [("where", one.field) for one in _flat((*self.where, *self.numerator))]
        for place, field in asked:
            if field is not None and field not in known:
                raise ValueError(f"{place}: {field[:40]} is no field of {self.source}; known: {', '.join(known)}")
        for name, column in self._read.items():
            if column.field is None and column.agg != "COUNT":
                raise ValueError(f"columns.{name}: a column needs a field, or agg: COUNT")
            if column.field == "LABELS" and column.label_key is None:
                raise ValueError(f"columns.{name}: LABELS needs a labelKey")
        for order in self.order_by:
            if order.column not in self._read:
                raise ValueError(f"orderBy: there is no column {order.column[:40]}")
        return self


def _column(name: str, written: Any) -> Column:
    try:
        return Column.model_validate(written)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in ("columns", name, *first["loc"]))
        raise ValueError(f"{place}: {first['msg']}") from None


def _flat(conditions: tuple[Where, ...]) -> list[Where]:
    return [inner for one in conditions for inner in (_flat(tuple(one.any_of())) if one.type == "OR" else [one])]


class Chart(Strict):
    id: str = Field(pattern=r"^[a-zA-Z0-9][a-zA-Z0-9_-]*$", max_length=100)
    type: Annotated[Literal["Bar", "KPI", "Markdown", "Pie", "Table", "TimeSeries"], _short(CHARTS)]
    chart_options: dict[str, Any] = Field(default_factory=dict)
    data: Data | None = None
    content: str | None = None  # of Markdown
    source: Any = None  # of Markdown, newer

    @model_validator(mode="after")
    def _has_what_it_shows(self) -> Self:
        if self.type == "Markdown":
            if self.content is None and self.source is None:
                raise ValueError("content: must not be null")
            return self
        if self.data is None:
            raise ValueError("data: must not be null")
        if self.data.is_kpi != (self.type == "KPI"):
            raise ValueError(f"data.type: {self.data.type} does not go with a {self.type} chart")
        column = self.chart_options.get("column")
        if self.type == "TimeSeries" and column not in self.data.columns_read:
            raise ValueError("chartOptions.column: must name one of data.columns")
        return self


class TimeWindow(Strict):
    default: Duration = timedelta(days=30)
    max: Duration = timedelta(days=366)

    @model_validator(mode="after")
    def _is_positive(self) -> Self:
        if not timedelta(0) < self.default <= self.max <= timedelta(days=3660):
            raise ValueError("default must be positive and at most max, max at most P3660D")
        return self


class Dashboard(Strict):
    id: str | None = Field(default=None, pattern=r"^[a-zA-Z0-9][a-zA-Z0-9_-]*$", max_length=100)
    title: str = Field(min_length=1, max_length=200)
    description: str | None = None
    deleted: bool = False
    time_window: TimeWindow = Field(default_factory=TimeWindow)
    charts: tuple[Chart, ...] = Field(default=(), max_length=50)

    _document: dict[str, Any] = PrivateAttr(default_factory=dict)

    @property
    def document(self) -> dict[str, Any]:
        """The text as plain data. Not to be changed."""
        return self._document

    @model_validator(mode="after")
    def _has_distinct_charts(self) -> Self:
        seen: set[str] = set()
        for chart in self.charts:
            if chart.id in seen:
                raise ValueError(f"charts: Duplicate id {chart.id}")
            seen.add(chart.id)
        return self

    def chart(self, chart_id: str) -> Chart | None:
        return next((chart for chart in self.charts if chart.id == chart_id), None)
