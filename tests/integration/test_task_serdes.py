"""serdes: files of one kind into files of another, in the real storage."""

from collections.abc import Iterator
from typing import Any

import orjson
import pytest

from executions.ids import new_id
from executions.storage.site import current as storage
from executor.worker.process import Worker
from flows.definition.errors import InvalidFlow
from flows.definition.parse import parse_flow
from tests.integration.worker_support import NAMESPACE, Desk, run_one, working


@pytest.fixture(scope="module")
def worker(database: str) -> Iterator[Worker]:
    """On the storage that the settings name: Parquet is read in child processes, which read them anew."""
    with working() as started:
        yield started


def stored(content: str | bytes) -> str:
    folder = NAMESPACE.replace(".", "/")
    return storage().put(f"kestra:///{folder}/{new_id()}", content.encode() if isinstance(content, str) else content)


def run(table: Desk, worker: Worker, kind: str, uri: str, properties: str = "") -> dict[str, Any]:
    return run_one(table, worker, f"- {{id: one, type: io.kestra.plugin.serdes.{kind}, from: '{uri}', {properties}}}")


def converted(table: Desk, worker: Worker, kind: str, content: str | bytes, properties: str = "") -> str:
    result = run(table, worker, kind, stored(content), properties)
    assert result["state"] == "SUCCESS", result["error"]
    with storage().open(result["outputs"]["uri"]) as file:
        return str(file.read().decode())


ION = '{id:1,name:"a, b",price:1.5,ok:true,day:LocalDate::"2024-02-29"}\n{id:2,name:"say \\"x\\"",price:2.25,ok:false,day:null}\n'


def test_csv_becomes_ion(table: Desk, worker: Worker) -> None:
    assert converted(table, worker, "csv.CsvToIon", 'id;name\n1;"a;b"\n2;\n', "fieldSeparator: ';'") == (
        '{id:"1",name:"a;b"}\n{id:"2",name:""}\n'
    )
    assert converted(table, worker, "csv.CsvReader", "x\n1,2\n", "header: false, skipRows: 1") == '["1","2"]\n'


def test_csv_of_another_encoding(table: Desk, worker: Worker) -> None:
    assert (
        converted(table, worker, "csv.CsvToIon", "n\nDüsseldorf\n".encode("latin-1"), "charset: ISO-8859-1")
        == '{n:"Düsseldorf"}\n'
    )
    result = run(table, worker, "csv.CsvToIon", stored("n\nDüsseldorf\n".encode("latin-1")))
    assert (result["state"], "not UTF-8" in result["error"]) == ("FAILED", True)


def test_ion_becomes_csv(table: Desk, worker: Worker) -> None:
    assert converted(table, worker, "csv.IonToCsv", ION) == (
        'id,name,price,ok,day\n1,"a, b",1.5,true,2024-02-29\n2,"say ""x""",2.25,false,\n'
    )
    assert converted(table, worker, "csv.IonToCsv", "{a:1}\n", "header: false, alwaysDelimitText: true") == '"1"\n'


def test_lines_with_a_wrong_number_of_fields_fail_when_asked(table: Desk, worker: Worker) -> None:
    result = run(table, worker, "csv.CsvToIon", stored("a,b\n1\n"), "errorOnDifferentFieldCount: true")
    assert result["error"] == "Line 2 has 1 fields, not 2"
    assert "not valid CSV" in run(table, worker, "csv.CsvToIon", stored('a\n"x'))["error"]


def test_json_and_ion(table: Desk, worker: Worker) -> None:
    assert converted(table, worker, "json.JsonToIon", '{"a":1}\n{"a":[null,"x"]}\n') == '{a:1}\n{a:[null,"x"]}\n'
    assert converted(table, worker, "json.JsonToIon", '[{"a":1}, {"a":2}]', "newLine: false") == "{a:1}\n{a:2}\n"
    lines = converted(table, worker, "json.IonToJson", ION).splitlines()
    assert orjson.loads(lines[0]) == {"id": 1, "name": "a, b", "price": 1.5, "ok": True, "day": "2024-02-29"}
    assert orjson.loads(converted(table, worker, "json.IonToJson", "1\n2\n", "newLine: false")) == [1, 2]
    assert (
        converted(table, worker, "json.IonToJson", "{at:2024-02-29T12:00:00Z}\n") == '{"at":"2024-02-29T12:00:00Z"}\n'
    )
    moment = converted(table, worker, "json.IonToJson", "{at:2024-02-29T12:00:00Z}\n", "timeZoneId: Europe/Paris")
    assert orjson.loads(moment) == {"at": "2024-02-29T13:00:00+01:00"}
    assert "Line 2 is not valid JSON" in run(table, worker, "json.JsonToIon", stored('{}\n{"a":\n'))["error"]


def test_yaml_and_ion(table: Desk, worker: Worker) -> None:
    assert converted(table, worker, "yaml.YamlToIon", "- a: 1\n- b: [x]\n") == '{a:1}\n{b:["x"]}\n'
    assert converted(table, worker, "yaml.IonToYaml", "{a:1}\n") == "- a: 1\n"
    assert "not valid YAML" in run(table, worker, "yaml.YamlToIon", stored("a: [\n"))["error"]


def test_parquet_and_back(table: Desk, worker: Worker) -> None:
    uri = run(table, worker, "parquet.IonToParquet", stored(ION))["outputs"]["uri"]
    result = run(table, worker, "parquet.ParquetToIon", uri)
    with storage().open(result["outputs"]["uri"]) as file:
        assert (
            file.read().decode().splitlines()[0] == '{id:1,name:"a, b",price:1.50,ok:true,day:LocalDate::"2024-02-29"}'
        )


def test_parquet_with_a_schema_reads_texts_as_its_types(table: Desk, worker: Worker) -> None:
    schema = orjson.dumps(
        {
            "type": "record",
            "name": "Row",
            "fields": [
                {"name": "n", "type": "long"},
                {"name": "d", "type": ["null", {"type": "int", "logicalType": "date"}]},
            ],
        }
    ).decode()
    result = run(
        table, worker, "parquet.IonToParquet", stored('{n:"7",d:"2024-02-29"}\n{n:"8",d:""}\n'), f"schema: '{schema}'"
    )
    assert result["state"] == "SUCCESS", result["error"]
    back = run(table, worker, "parquet.ParquetToIon", result["outputs"]["uri"])
    with storage().open(back["outputs"]["uri"]) as file:
        assert file.read().decode() == '{n:7,d:LocalDate::"2024-02-29"}\n{n:8,d:null}\n'
    failing = run(table, worker, "parquet.IonToParquet", stored('{n:"seven"}\n'), f"schema: '{schema}'")
    assert "cannot be written" in failing["error"]
    assert "cannot be read as Parquet" in run(table, worker, "parquet.ParquetToIon", stored("no"))["error"]


@pytest.mark.parametrize("kind", ["csv.CsvToIon", "json.IonToJson", "parquet.IonToParquet", "yaml.YamlToIon"])
def test_a_wrong_property_is_refused_when_the_flow_is_saved(kind: str) -> None:
    for properties, name in (("header2: true, from: x", "header2"), ("charset: UTF-8", "from")):
        with pytest.raises(InvalidFlow, match=name):
            parse_flow(
                f"id: f\nnamespace: n\ntasks:\n- {{id: one, type: io.kestra.plugin.serdes.{kind}, {properties}}}\n"
            )


def test_a_missing_file_fails(table: Desk, worker: Worker) -> None:
    result = run(table, worker, "json.IonToJson", f"kestra:///{NAMESPACE.replace('.', '/')}/nowhere")
    assert (result["state"], "nowhere" in result["error"]) == ("FAILED", True)
