"""core.storage, core.namespace and jsonata.TransformItems on real files of a real storage."""

import pytest

from tests.integration.worker_support import NAMESPACE, TaskBench

STORAGE = "io.kestra.plugin.core.storage."
FILES = "io.kestra.plugin.core.namespace."
ITEMS = '{"k":"a","n":1}\n{"k":"b","n":2}\n{"k":"a","n":3}\n'


def write(content: str, task_id: str = "write", extension: str = ".txt") -> str:
    shown = content.replace("\n", "\\n").replace('"', '\\"')
    return f'- {{id: {task_id}, type: {STORAGE}Write, extension: {extension}, content: "{shown}"}}\n'


def test_files_are_written_joined_measured_and_deleted(bench: TaskBench) -> None:
    results = bench.run(
        write("one\n", "a")
        + write("two\n", "b")
        + f"""
- {{id: join, type: {STORAGE}Concat, files: ["{{{{ outputs.a.uri }}}}", "{{{{ outputs.b.uri }}}}"], separator: "--\\n", extension: csv}}
- {{id: json, type: {STORAGE}Concat, files: "{{{{ [outputs.b.uri, outputs.a.uri] | toJson }}}}"}}
- {{id: size, type: {STORAGE}Size, uri: "{{{{ outputs.join.uri }}}}"}}
- {{id: delete, type: {STORAGE}Delete, uri: "{{{{ outputs.join.uri }}}}"}}
- {{id: again, type: {STORAGE}Delete, uri: "{{{{ outputs.join.uri }}}}"}}
"""
    )
    joined = results["join"]["outputs"]["uri"]
    execution_id = bench.table.execution.id
    assert joined.startswith(f"kestra:///company/worker/{bench.table.flow.id}/executions/{execution_id}/tasks/join/")
    assert joined.endswith(".csv")
    assert bench.content(results["json"]["outputs"]["uri"]) == "two\none\n"
    assert results["size"]["outputs"] == {"size": len("one\n--\ntwo\n")}
    assert results["delete"]["outputs"] == {"uri": joined, "deleted": True}
    assert results["again"]["outputs"] == {"uri": joined, "deleted": False}


@pytest.mark.parametrize(
    ("how", "parts"),
    [
        ("rows: 2", ["1\n2\n", "3\n4\n", "5"]),
        ("partitions: 2", ["1\n3\n5", "2\n4\n"]),
        ("bytes: 4B", ["1\n2\n", "3\n4\n", "5"]),
        ("rows: '{{ 5 }}'", ["1\n2\n3\n4\n5"]),
        ("rows: 1, separator: '3\\n'", ["1\n2\n3\n4\n5"]),
    ],
)
def test_a_file_is_split_between_rows(bench: TaskBench, how: str, parts: list[str]) -> None:
    task = f'- {{id: split, type: {STORAGE}Split, from: "{{{{ outputs.write.uri }}}}", {how}}}'
    uris = bench.outputs(write("1\n2\n3\n4\n5") + task)["uris"]
    assert [bench.content(uri) for uri in uris] == parts


def test_rows_are_reversed(bench: TaskBench) -> None:
    task = f'- {{id: turn, type: {STORAGE}Reverse, from: "{{{{ outputs.write.uri }}}}"}}'
    assert bench.content(bench.outputs(write("1\n2\n\n3\n") + task)["uri"]) == "3\n\n2\n1\n"
    long = "".join(f"row {number}\n" for number in range(300_000))
    assert len(long) > 2 << 20
    uri = bench.worker.tools.storage.put("kestra:///company/long.txt", long.encode())
    content = bench.content(bench.outputs(f"- {{id: turn, type: {STORAGE}Reverse, from: '{uri}'}}")["uri"])
    assert content.splitlines() == long.splitlines()[::-1]


def test_items_are_filtered_deduplicated_and_transformed(bench: TaskBench) -> None:
    results = bench.run(
        write(ITEMS, extension=".ion")
        + f"""
- {{id: keep, type: {STORAGE}FilterItems, from: "{{{{ outputs.write.uri }}}}", filterCondition: "{{{{ n > 1 }}}}"}}
- {{id: drop, type: {STORAGE}FilterItems, from: "{{{{ outputs.write.uri }}}}", filterCondition: "{{{{ n > 1 }}}}", filterType: EXCLUDE}}
- {{id: odd, type: {STORAGE}FilterItems, from: "{{{{ outputs.write.uri }}}}", filterCondition: "{{{{ none }}}}", errorOrNullBehavior: INCLUDE}}
- {{id: last, type: {STORAGE}DeduplicateItems, from: "{{{{ outputs.write.uri }}}}", expr: "{{{{ k }}}}"}}
- id: sums
  type: io.kestra.plugin.transform.jsonata.TransformItems
  from: "{{{{ outputs.keep.uri }}}}"
  expression: '[{{"double": n * 2}}, {{"k": k}}]'
"""
    )
    kept = results["keep"]["outputs"]
    assert bench.content(kept["uri"]) == '{k:"b",n:2}\n{k:"a",n:3}\n'
    assert (kept["processedItemsTotal"], kept["droppedItemsTotal"]) == (3, 1)
    assert bench.content(results["drop"]["outputs"]["uri"]) == '{k:"a",n:1}\n'
    assert results["odd"]["outputs"]["droppedItemsTotal"] == 0
    last = results["last"]["outputs"]
    assert bench.content(last["uri"]) == '{k:"b",n:2}\n{k:"a",n:3}\n'
    assert (last["numKeys"], last["processedItemsTotal"], last["droppedItemsTotal"]) == (2, 3, 1)
    sums = results["sums"]["outputs"]
    assert bench.content(sums["uri"]) == '{double:4}\n{k:"b"}\n{double:6}\n{k:"a"}\n'
    assert sums["processedItemsTotal"] == 2


def test_local_files_go_in_and_out_of_the_working_directory(bench: TaskBench) -> None:
    outputs = bench.outputs(
        f"- {{id: files, type: {STORAGE}LocalFiles, inputs: {{a.txt: 'by {{{{ flow.id }}}}', sub/b.json: '{{}}'}}, outputs: ['**.txt']}}"
    )
    assert list(outputs["uris"]) == ["a.txt"]
    assert bench.content(outputs["uris"]["a.txt"]) == f"by {bench.table.flow.id}"


def test_the_files_of_the_execution_are_purged(bench: TaskBench) -> None:
    results = bench.run(write("x") + f"- {{id: purge, type: {STORAGE}PurgeCurrentExecutionFiles}}")
    uri = results["write"]["outputs"]["uri"]
    assert results["purge"]["outputs"] == {"uris": [uri]}
    assert not bench.worker.tools.storage.exists(uri)


def test_namespace_files_are_uploaded_downloaded_and_deleted(bench: TaskBench) -> None:
    other = "company.other"
    results = bench.run(
        write("from a task")
        + f"""
- id: up
  type: {FILES}UploadFiles
  namespace: {other}
  destination: /etl
  filesMap: {{sub/a.txt: "{{{{ outputs.write.uri }}}}", b.sql: "select 1"}}
- {{id: skip, type: {FILES}UploadFiles, namespace: {other}, filesMap: {{etl/b.sql: changed, c.sql: new}}, conflict: SKIP}}
- {{id: down, type: {FILES}DownloadFiles, namespace: {other}, files: ["**/a.txt", "glob:*.sql"], destination: here}}
- {{id: read, type: core.debug.Return, format: "{{{{ read('etl/b.sql', namespace='{other}') }}}}"}}
- {{id: delete, type: {FILES}DeleteFiles, namespace: {other}, files: "etl/**"}}
"""
    )
    prefix = "kestra:///company/other/_files"
    assert results["up"]["outputs"]["files"] == {
        "/etl/sub/a.txt": f"{prefix}/etl/sub/a.txt",
        "/etl/b.sql": f"{prefix}/etl/b.sql",
    }
    assert list(results["skip"]["outputs"]["files"]) == ["/c.sql"]
    down = results["down"]["outputs"]["files"]
    assert sorted(down) == ["/here/c.sql", "/here/etl/sub/a.txt"]
    assert bench.content(down["/here/etl/sub/a.txt"]) == "from a task"
    assert results["read"]["outputs"] == {"value": "select 1"}
    assert sorted(results["delete"]["outputs"]["files"]) == ["/etl/b.sql", "/etl/sub/a.txt"]
    assert bench.worker.tools.platform(other).namespace_files(other) == ["c.sql"]


def test_a_file_of_a_namespace_stands_wherever_a_file_may(bench: TaskBench) -> None:
    results = bench.run(
        f"""
- id: up
  type: {FILES}UploadFiles
  namespace: {NAMESPACE}
  filesMap: {{data/a.csv: "n\\n1\\n2\\n"}}
- {{id: size, type: {STORAGE}Size, uri: "nsfile:///data/a.csv"}}
- {{id: named, type: {STORAGE}Concat, files: ["nsfile:///data/a.csv", "nsfile://{NAMESPACE}/data/a.csv"]}}
- {{id: rows, type: io.kestra.plugin.serdes.csv.CsvToIon, from: "nsfile:///data/a.csv"}}
- {{id: copy, type: {FILES}UploadFiles, namespace: {NAMESPACE}, filesMap: {{b.csv: "nsfile:///data/a.csv"}}}}
- id: script
  type: io.kestra.plugin.scripts.shell.Commands
  inputFiles: {{in.csv: "nsfile:///data/a.csv"}}
  commands: ["cp in.csv out.csv", "cat nsfile:///data/a.csv >> out.csv"]
  outputFiles: ["out.csv"]
- {{id: read, type: core.debug.Return, format: "{{{{ read('nsfile://{NAMESPACE}/b.csv') }}}}{{{{ fileSize('nsfile:///b.csv') }}}}"}}
"""
    )
    assert results["size"]["outputs"] == {"size": 6}
    assert bench.content(results["named"]["outputs"]["uri"]) == "n\n1\n2\nn\n1\n2\n"
    assert results["rows"]["outputs"]["size"] == 2
    assert results["read"]["outputs"]["value"] == "n\n1\n2\n6"
    assert bench.content(results["script"]["outputs"]["outputFiles"]["out.csv"]) == "n\n1\n2\nn\n1\n2\n"


@pytest.mark.parametrize(
    ("task", "cause"),
    [
        (f"type: {STORAGE}Size, uri: 'nsfile:///none.txt'", "File not found: kestra:///company/worker/_files/none.txt"),
        (f"type: {STORAGE}Size, uri: 'nsfile:///../x.txt'", "traversal is not allowed"),
        (f"type: {STORAGE}Size, uri: 'nsfile://../x.txt'", "Not an address of a namespace file: nsfile://../x.txt"),
        (f"type: {STORAGE}Size, uri: 'kestra:///company/none.txt'", "File not found: kestra:///company/none.txt"),
        (f"type: {STORAGE}Size, uri: 'kestra:///company/../../etc/passwd'", "path traversal is not allowed"),
        (f"type: {STORAGE}Size, uri: '/etc/passwd'", "File not found: /etc/passwd"),
        (f"type: {STORAGE}Size, uri: 'file:///etc/passwd'", "Not an address of the internal storage"),
        (f"type: {STORAGE}Delete, uri: 'kestra:///none', errorOnMissing: true", "Unable to find file 'kestra:///none'"),
        (f"type: {STORAGE}Split, from: 'kestra:///none', rows: 0", "File not found"),
        (f"type: {STORAGE}Split, from: '{{{{ outputs.write.uri }}}}', rows: 0", "`rows` must be at least 1"),
        (f"type: {STORAGE}Split, from: '{{{{ outputs.write.uri }}}}', bytes: many", "`bytes` must be a size such as 10MB"),
        (f"type: {STORAGE}Reverse, from: '{{{{ outputs.write.uri }}}}', charset: klingon", "Unknown charset 'klingon'"),
        (f"type: {STORAGE}Concat, files: '{{{{ inputs.none ?? \"[1\" }}}}'", "`files` is not valid JSON"),
        (f"type: {STORAGE}FilterItems, from: '{{{{ outputs.write.uri }}}}', filterCondition: '{{{{ nothing }}}}'", "Unable to find `nothing`"),
        (f"type: {STORAGE}FilterItems, from: '{{{{ outputs.write.uri }}}}', filterCondition: maybe", "neither true nor false"),
        (f"type: {STORAGE}DeduplicateItems, from: '{{{{ outputs.write.uri }}}}', expr: '{{{{ item.none ?? null }}}}'", "`expr` gives no key"),
        (f"type: {STORAGE}LocalFiles, inputs: {{../out.txt: x}}", "leads out of the working directory"),
        (f"type: {FILES}UploadFiles, namespace: a.b, filesMap: {{../../x: y}}", "path traversal is not allowed"),
        (f"type: {FILES}UploadFiles, namespace: a.b", "`files` and `filesMap`"),
        (f"type: {FILES}UploadFiles, namespace: a.b, filesMap: {{x: y}}, conflict: MAYBE", "`conflict` must be one of"),
        (f"type: {FILES}DownloadFiles, namespace: '{{{{ null }}}}', files: x", "`namespace` is empty"),
        ("type: io.kestra.plugin.transform.jsonata.TransformItems, from: '{{ outputs.write.uri }}', expression: '$x('", "JSONata"),
    ],
)  # fmt: skip
def test_what_is_wrong_fails_the_task_with_the_cause(bench: TaskBench, task: str, cause: str) -> None:
    assert cause in bench.failure(write('{"k":1}\n') + f"- {{id: a, {task}}}")


def test_an_upload_refuses_a_file_that_is_there(bench: TaskBench) -> None:
    assert "File x already exists in namespace company.worker" in bench.failure(f"""
- {{id: a, type: {FILES}UploadFiles, namespace: {NAMESPACE}, filesMap: {{x: y}}}}
- {{id: b, type: {FILES}UploadFiles, namespace: {NAMESPACE}, filesMap: {{x: z}}, conflict: ERROR}}
""")  # fmt: skip
