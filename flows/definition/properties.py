"""The small values that flows and tasks share: retry, worker group, concurrency, SLA, labels. Pure."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from flows.definition.durations import Duration, format_duration
from flows.definition.input_types import InputType
from flows.definition.strict import Strict

Label = dict[str, str]


class WorkerGroup(Strict):
    """A Celery queue, and what to do when nobody serves it."""

    key: str | None = None
    fallback: Literal["WAIT", "FAIL", "CANCEL"] | None = None


class Retry(Strict):
    """One model for the three kinds; random has `min_interval` in place of `interval`."""

    type: Literal["constant", "exponential", "random"]
    behavior: Literal["RETRY_FAILED_TASK", "CREATE_NEW_EXECUTION"] = "RETRY_FAILED_TASK"
    interval: Duration | None = None
    min_interval: Duration | None = None
    max_interval: Duration | None = None
    delay_factor: float | None = None
    # Kestra's older name is maxAttempt; both count the first try (trap 2).
    max_attempts: int | None = Field(default=None, ge=1)
    max_attempt: int | None = Field(default=None, ge=1)
    max_duration: Duration | None = None
    warning_on_retry: bool = False

    @property
    def attempts(self) -> int | None:
        """How many tries in all, the first one included."""
        return self.max_attempts if self.max_attempts is not None else self.max_attempt

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        required = ("min_interval", "max_interval") if self.type == "random" else ("interval",)
        if self.type == "exponential":
            required = (*required, "max_interval")
        for name in required:
            if getattr(self, name) is None:
                raise ValueError(f"{type(self).model_fields[name].alias}: must not be null")
        self._check_limits()
        return self

    def _check_limits(self) -> None:
        interval = self.min_interval if self.type == "random" else self.interval
        name = "minInterval" if self.type == "random" else "interval"
        assert interval is not None
        if interval < timedelta(0):
            raise ValueError(f"'{name}' must not be negative but is {format_duration(interval)}")
        if self.max_duration is not None and interval >= self.max_duration:
            raise ValueError(f"'{name}' must be less than 'maxDuration' but is {format_duration(interval)}")
        if self.type != "constant" and self.max_interval is not None and interval >= self.max_interval:
            raise ValueError(f"'{name}' must be less than 'maxInterval' but is {format_duration(interval)}")


class TaskCache(Strict):
    """Outputs of a task with the same rendered properties are used again while they are not older than `ttl`."""

    enabled: Any  # true or false, or a template of it
    ttl: Duration | None = None


class Concurrency(Strict):
    limit: int = Field(ge=1)
    behavior: Literal["QUEUE", "CANCEL", "FAIL"] = "QUEUE"


def read_labels(value: Any) -> Any:
    """A map, or a list of {key, value}, becomes a tuple of {key, value} texts. The first of a key wins."""
    if isinstance(value, Mapping):
        value = [{"key": key, "value": item} for key, item in value.items()]
    if value is None:
        return ()
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise ValueError("labels must be a map or a list of {key, value}")
    found: dict[str, str] = {}
    for item in value:
        if not isinstance(item, Mapping) or set(item) != {"key", "value"}:
            raise ValueError("each label must have a `key` and a `value`")
        if isinstance(item["value"], Mapping | list):
            raise ValueError(f"the value of label `{item['key']}` must be a text")
        found.setdefault(str(item["key"]), label_text(item["value"]))
    return tuple({"key": key, "value": text} for key, text in found.items())


def label_text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _refuse_system_labels(labels: Any) -> Any:
    labels = read_labels(labels)
    for label in labels:
        if label["key"].startswith("system.") and label["key"] != "system.readOnly":
            raise ValueError(f"System labels can only be set by the system itself: {label['key']}")
    return labels


Labels = Annotated[tuple[Label, ...], BeforeValidator(_refuse_system_labels)]


class Sla(Strict):
    id: str
    type: Literal["MAX_DURATION", "EXECUTION_ASSERTION"]
    behavior: Literal["FAIL", "CANCEL", "NONE"]
    duration: Duration | None = None
    assert_: str | None = Field(default=None, alias="assert")
    labels: Labels = ()

    @model_validator(mode="after")
    def _is_complete(self) -> Self:
        if self.type == "MAX_DURATION" and self.duration is None:
            raise ValueError("duration: must not be null")
        if self.type == "EXECUTION_ASSERTION" and self.assert_ is None:
            raise ValueError("assert: must not be null")
        return self


class Check(Strict):
    """Asked before an execution begins; `message` says what is wrong when `condition` does not hold."""

    condition: str = Field(min_length=1)
    message: str = Field(min_length=1)
    style: Literal["ERROR", "SUCCESS", "WARNING", "INFO"] = "INFO"
    behavior: Literal["BLOCK_EXECUTION", "FAIL_EXECUTION", "CREATE_EXECUTION"] = "BLOCK_EXECUTION"


class Output(Strict):
    """`value` is a template; the rendered value is read as `type`."""

    id: str = Field(pattern=r"^[a-zA-Z0-9][a-zA-Z0-9_.-]*$")
    type: InputType | None = None
    value: Any
    description: str | None = None
    display_name: str | None = None
    required: bool = True


class PluginDefault(Strict):
    """Values for every task whose type is `type` or starts with it."""

    type: str
    forced: bool = False
    values: dict[str, Any] = Field(default_factory=dict)
