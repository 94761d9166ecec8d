"""serdes.parquet: ParquetToIon and IonToParquet. In a process of their own: the library is large, and not to be interrupted."""

from importlib import import_module
from typing import Any, ClassVar

import orjson
from pydantic import Field

from flows.tasks.base import Isolation, Json, RunContext, TaskFailure
from flows.tasks.core.rendering import number, one_of, text
from flows.tasks.serdes.files import Conversion

CODECS = ("UNCOMPRESSED", "SNAPPY", "GZIP", "ZSTD", "BROTLI", "LZ4")
_VERSIONS = {"V1": "1.0", "V2": "2.6"}
_FILES = "flows.tasks.serdes.parquet_files"  # imported where it runs only


class ParquetToIon(Conversion):
    isolation: ClassVar[Isolation] = Isolation.CHILD

    def run(self, context: RunContext) -> dict[str, Json] | None:
        return self.ion_of(context, import_module(_FILES).read(self.local(context)))


class IonToParquet(Conversion):
    """`schema` is an Avro record, as Kestra has it; without one the first items tell the types."""

    isolation: ClassVar[Isolation] = Isolation.CHILD

    schema_: Any = Field(default=None, alias="schema")
    compression_codec: str = "GZIP"
    row_group_size: Any = None
    parquet_version: str = "V2"

    def run(self, context: RunContext) -> dict[str, Json] | None:
        files = import_module(_FILES)
        codec = one_of(str(context.render(self.compression_codec)), CODECS, "compressionCodec")
        rows = min(number(context, self.row_group_size, "rowGroupSize") or files.ROWS, files.ROWS)
        version = _VERSIONS[one_of(str(context.render(self.parquet_version)), tuple(_VERSIONS), "parquetVersion")]
        schema = files.schema_of(self._avro(context)) if self.schema_ is not None else None
        form = files.Form(schema, codec, version, rows)
        return self.file_of(context, ".parquet", lambda target, values: files.write(target, values, form))

    def _avro(self, context: RunContext) -> Json:
        given = self.schema_ if isinstance(self.schema_, dict) else text(context, self.schema_) or ""
        try:
            return given if isinstance(given, dict) else orjson.loads(str(given))
        except orjson.JSONDecodeError as error:
            raise TaskFailure(f"The property `schema` is not valid JSON: {error}") from None
