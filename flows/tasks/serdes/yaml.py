"""serdes.yaml: YamlToIon and IonToYaml; one document, a list of items where it is one."""

from collections.abc import Iterator
from pathlib import Path

import yaml

from flows.expressions.errors import ExpressionError
from flows.expressions.yaml_reader import parse_yaml
from flows.tasks.base import Json, RunContext, TaskFailure
from flows.tasks.serdes.files import Conversion
from flows.tasks.serdes.json import as_json

LIMIT = 16 << 20


class YamlToIon(Conversion):
    def run(self, context: RunContext) -> dict[str, Json] | None:
        with self.text(context) as file:
            content = file.read(LIMIT + 1)
        if len(content) > LIMIT:
            raise TaskFailure(f"The file is larger than {LIMIT:,} characters")
        try:
            value = parse_yaml(content)
        except (ExpressionError, yaml.YAMLError) as error:
            raise TaskFailure(f"The file is not valid YAML: {error}") from None
        return self.ion_of(context, iter(value if isinstance(value, list) else [value]))


class IonToYaml(Conversion):
    def run(self, context: RunContext) -> dict[str, Json] | None:
        encoding = self.encoding(context)

        def write(target: Path, values: Iterator[Json]) -> int:
            found = list(values)
            with target.open("w", encoding=encoding) as file:
                yaml.safe_dump([as_json(value) for value in found], file, allow_unicode=True, sort_keys=False)
            return len(found)

        return self.file_of(context, ".yaml", write)
