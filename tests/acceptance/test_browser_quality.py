"""What every page owes its readers: accessible, light, usable with a great many rows, on a phone, after a lost stream."""

from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest
from playwright.sync_api import Browser, Page, expect

from executions.ids import to_base62, to_uuid
from tests.acceptance.browser_support import Site
from tests.plant import eventually

pytestmark = pytest.mark.browser
AXE = (Path(__file__).parent / "axe.min.js").read_text()
MOST_BYTES = 300_000

FLOW = """
id: many
namespace: tests.quality
description: A loop.
inputs:
  - id: name
    type: STRING
    defaults: world
tasks:
  - id: each
    type: io.kestra.plugin.core.flow.ForEach
    values: ["a", "b", "c"]
    tasks:
      - id: say
        type: io.kestra.plugin.core.log.Log
        message: "{{ taskrun.value }} {{ inputs.name }}"
"""
BROKEN = "id: broken\nnamespace: tests.quality\ntasks:\n  - {id: a, type: io.kestra.plugin.core.execution.Fail}\n"
PAGES = (
    "/",
    "/flows",
    "/flows/new",
    "/flows/tests.quality/many",
    "/flows/tests.quality/many/edit",
    "/flows/tests.quality/many/execute",
    "/flows/tests.quality/many/revisions",
    "/triggers",
    "/executions",
    "/executions/{done}",
    "/executions/{failed}",
    "/logs",
    "/system",
)
ADMIN_PAGES = (
    "/admin/",
    "/admin/auth/group/add/",
    "/admin/auth/user/",
    "/admin/auth/user/1/change/",
    "/admin/executions/apitoken/add/",
    "/admin/executions/auditrecord/",
    "/admin/executions/deadletter/",
    "/admin/executions/executionrecord/",
    "/admin/executions/keyvalue/add/",
    "/admin/executions/queuemessage/",
    "/admin/executions/secretrecord/add/",
    "/admin/executions/serviceinstance/",
    "/admin/flows/flowrecord/",
    "/admin/flows/flowrecord/add/",
)
# Django's own two-column chooser puts a label on a mere span; it is announced all the same.
THEIRS = {("/admin/auth/user/1/change/", "aria-prohibited-attr")}


@pytest.fixture(scope="module")
def ids(site: Site) -> dict[str, str]:
    site.flow(FLOW)
    site.flow(FLOW.replace("A loop.", "A small loop."))
    site.flow(BROKEN)
    done, failed = site.execute("many", "tests.quality"), site.execute("broken", "tests.quality")
    site.reaches(done, "SUCCESS")
    site.reaches(failed, "FAILED")
    return {"done": done, "failed": failed}


def large_execution(site: Site, runs: int, lines: int) -> str:
    """An ended loop of `runs` iterations, one of them failed, with `lines` log lines; rows as the executor writes them."""
    execution, parent = uuid4(), uuid4()
    with psycopg.connect(site.conninfo, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO executions SELECT (jsonb_populate_record(e, jsonb_build_object('id', %s::text,"
            " 'start_date', now() - interval '1 hour', 'end_date', now() - interval '59 minutes', 'state', 'FAILED',"
            " 'histories', jsonb_build_array(jsonb_build_array('CREATED', now() - interval '1 hour'),"
            " jsonb_build_array('RUNNING', now() - interval '1 hour'), jsonb_build_array('FAILED', now() - interval '59 minutes'))"
            "))).* FROM executions e WHERE flow_id = 'many' ORDER BY start_date LIMIT 1",
            [str(execution)],
        )
        template = (
            "INSERT INTO task_runs SELECT (jsonb_populate_record(NULL::task_runs, to_jsonb(t) || jsonb_build_object('id', {id}, 'execution_id', %(execution)s::text,"
            " 'task_id', '{task}', 'parent_id', {parent}, 'value', {value}, 'iteration', {iteration}, 'seq', {seq}, 'state', {state},"
            " 'histories', jsonb_build_array(jsonb_build_array('CREATED', {at}), jsonb_build_array('RUNNING', {at} + interval '4 ms'),"
            " jsonb_build_array({state}, {at} + interval '11 ms'))))).*"
            " FROM (SELECT * FROM task_runs LIMIT 1) t {rows}"
        )
        start = "(now() - interval '1 hour')"
        values = {"execution": str(execution), "parent": str(parent), "runs": runs, "lines": lines}
        connection.execute(
            template.format(
                id="%(parent)s::text", task="each", parent="NULL", value="NULL", iteration="NULL", seq="1",
                state="'FAILED'", at=start, rows="",
            ),
            values,
        )  # fmt: skip
        connection.execute(
            template.format(
                id="gen_random_uuid()", task="say", parent="%(parent)s::text", value="'item ' || n", iteration="n",
                seq="n + 2", state="CASE WHEN n = 777 THEN 'FAILED' ELSE 'SUCCESS' END",
                at=f"{start} + n * interval '2 ms'", rows="CROSS JOIN generate_series(0, %(runs)s - 1) n",
            ),
            values,
        )  # fmt: skip
        connection.execute(
            "INSERT INTO logs (execution_id, namespace, flow_id, task_id, attempt, level, message, thread, timestamp)"
            " SELECT %(execution)s::uuid, 'tests.quality', 'many', 'say', 0, 2, 'line ' || n || ' of a long log', '',"
            " now() - interval '1 hour' + n * interval '1 ms' FROM generate_series(1, %(lines)s) n",
            values,
        )
    return to_base62(execution)


def change_all_runs(site: Site, execution_id: str, state: str) -> None:
    newer = {"execution": to_uuid(execution_id), "state": state}
    with psycopg.connect(site.conninfo) as connection:
        connection.execute("UPDATE executions SET version = version + 1 WHERE id = %(execution)s", newer)
        connection.execute(
            "UPDATE task_runs t SET state = %(state)s, version = e.version,"
            " histories = t.histories || jsonb_build_array(jsonb_build_array(%(state)s::text, e.end_date))"
            " FROM executions e WHERE e.id = %(execution)s AND t.execution_id = e.id AND t.value IS NOT NULL",
            newer,
        )


@pytest.mark.parametrize("theme", ["light", "dark"])
def test_no_page_has_a_serious_fault_for_those_who_see_or_move_differently(
    site: Site, browser: Browser, cookies: Any, ids: dict[str, str], theme: Any
) -> None:
    context = browser.new_context(base_url=site.base, storage_state=cookies, color_scheme=theme, bypass_csp=True)
    page = context.new_page()
    found = []
    for address in (*PAGES, *ADMIN_PAGES):
        page.goto(address.format(**ids))
        expect(page.locator("#main, #content").first).to_be_visible()
        page.evaluate(AXE)
        for fault in page.evaluate("axe.run(document, {resultTypes: ['violations']})")["violations"]:
            if fault["impact"] in ("serious", "critical") and (address, fault["id"]) not in THEIRS:
                places = [node["html"][:160] + " | " + node["failureSummary"][:200] for node in fault["nodes"][:3]]
                found.append(f"{address}: {fault['id']}: {places}")
    context.close()
    assert not found, "\n".join(found)


def test_every_page_is_light(site: Site, browser: Browser, cookies: Any, ids: dict[str, str]) -> None:
    heavy, weights = [], {}
    for address in PAGES:
        context = browser.new_context(base_url=site.base, storage_state=cookies)
        page = context.new_page()
        session = context.new_cdp_session(page)
        session.send("Network.enable")
        sizes: list[float] = []
        session.on("Network.loadingFinished", lambda event, sizes=sizes: sizes.append(event["encodedDataLength"]))
        page.goto(address.format(**ids), wait_until="load")
        expect(page.locator("main")).to_be_visible()
        weights[address] = sum(sizes)
        if sum(sizes) > MOST_BYTES:
            heavy.append((address, sum(sizes)))
        context.close()
    print({address: round(size / 1000) for address, size in weights.items()})
    assert not heavy


def test_twenty_thousand_task_runs_and_a_hundred_thousand_lines_stay_usable(
    site: Site, page: Page, ids: dict[str, str]
) -> None:
    execution_id = large_execution(site, 20_000, 100_000)
    page.goto(f"/executions/{execution_id}")
    rows = page.get_by_role("treeitem")
    expect(rows.first).to_contain_text("each")
    expect(page.locator("#run-count")).to_have_text("20001 task runs", timeout=30_000)
    page.get_by_text("Whole execution").click()
    expect(page.locator(".log-bar")).to_contain_text("100000 lines", timeout=60_000)
    # Only what is in sight exists in the document, and the page goes on answering.
    assert page.evaluate("document.querySelectorAll('*').length") < 2_500
    page.get_by_label("Find a task run by task or value").fill("item 19999")
    expect(rows).to_have_count(1)
    page.get_by_label("Find in log").fill("line 99999 ")
    expect(page.locator(".log-line:visible")).to_have_count(1)
    page.get_by_label("Find a task run by task or value").fill("")
    page.get_by_label("failed only").check()
    expect(page.locator(".tl-row:visible").filter(has_text="item 777")).to_have_count(1)
    # A change of all of them at once comes in several batches, and none is missed.
    change_all_runs(site, execution_id, "WARNING")
    page.get_by_label("Find a task run by task or value").fill("item 19999")
    expect(page.locator(".tl-row:visible").filter(has_text="item 19999, warning")).to_have_count(1, timeout=30_000)


def test_the_page_of_2000_task_runs_is_interactive_within_a_second(site: Site, page: Page, ids: dict[str, str]) -> None:
    """The best of a few, since the machine does other things beside."""
    execution_id = large_execution(site, 2_000, 2_000)
    spent: list[float] = []
    while len(spent) < 6 and min(spent, default=1000) >= 1000:
        page.goto("/executions")
        page.goto(f"/executions/{execution_id}", wait_until="commit")
        expect(page.locator("#run-count")).to_have_text("2001 task runs")
        page.get_by_role("treeitem").first.click()
        spent.append(page.evaluate("performance.now()"))
    paint = page.evaluate("performance.getEntriesByName('first-contentful-paint')[0].startTime")
    print(f"interactive after {spent} ms, first paint after {paint:.0f} ms")
    assert min(spent) < 1000


def test_no_page_is_wider_than_a_phone(site: Site, browser: Browser, cookies: Any, ids: dict[str, str]) -> None:
    context = browser.new_context(
        base_url=site.base, storage_state=cookies, viewport={"width": 390, "height": 844}, has_touch=True
    )
    page = context.new_page()
    wide = {}
    for address in PAGES:
        page.goto(address.format(**ids))
        expect(page.locator("main")).to_be_visible()
        more = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        if more > 0:
            wide[address] = more
    page.goto(f"/executions/{ids['done']}")
    facts = page.locator("#detail .sections")
    expect(facts).to_contain_text("API")
    assert facts.evaluate("box => box.scrollHeight - box.clientHeight") <= 1  # whole, not a slit to scroll in
    context.close()
    assert not wide


def test_nothing_is_missing_after_the_stream_was_away(site: Site, page: Page, refusals: set[str]) -> None:
    refusals.add("ERR_INTERNET_DISCONNECTED")
    site.flow(
        "id: outage\nnamespace: tests.quality\ntasks:\n"
        "  - {id: wait, type: io.kestra.plugin.core.flow.Sleep, duration: PT4S}\n"
        "  - {id: after, type: io.kestra.plugin.core.log.Log, message: still here}\n"
    )
    execution_id = site.execute("outage", "tests.quality")
    page.goto(f"/executions/{execution_id}")
    expect(page.locator("#state")).to_have_text("Running")
    page.context.set_offline(True)
    site.reaches(execution_id, "SUCCESS")
    expect(page.locator("#state")).to_have_text("Running")
    page.context.set_offline(False)
    expect(page.locator("#state")).to_have_text("Success")
    expect(page.get_by_role("log")).to_contain_text("still here")
    eventually(lambda: page.locator("#offline").is_hidden(), 15, "the mark of the lost stream to go")


def test_the_policy_of_pages_allows_nothing_inline_and_no_other_host(site: Site) -> None:
    for address in ("/login", "/", "/executions"):
        policy = site.session.get(site.base + address).headers["Content-Security-Policy"]
        assert "unsafe" not in policy
        assert "http" not in policy
        assert "default-src 'none'" in policy
