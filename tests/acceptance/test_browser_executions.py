"""Executions in a real browser: found in the list, watched live to their end, killed, resumed, replayed, looked into."""

import re
from datetime import datetime

import pytest
from playwright.sync_api import Page, expect

from tests.acceptance.browser_support import Site

pytestmark = pytest.mark.browser

SLOW = """
id: slow
namespace: tests.browser
tasks:
  - id: first
    type: io.kestra.plugin.core.flow.Sleep
    duration: PT2.5S
  - id: second
    type: io.kestra.plugin.core.log.Log
    message: the end is near
"""
LONG = """
id: long
namespace: tests.browser
tasks:
  - id: wait
    type: io.kestra.plugin.core.flow.Sleep
    duration: PT1H
"""
PAUSED = """
id: paused
namespace: tests.browser
tasks:
  - id: approval
    type: io.kestra.plugin.core.flow.Pause
    onResume:
      - id: reason
        type: STRING
      - id: amount
        type: INT
        max: 10
        defaults: 3
  - id: after
    type: io.kestra.plugin.core.log.Log
    message: "approved: {{ outputs.approval.onResume.reason }}, {{ outputs.approval.onResume.amount }}"
"""
FAILING = """
id: failing
namespace: tests.browser
tasks:
  - id: each
    type: io.kestra.plugin.core.flow.ForEach
    values: "{{ range(1, 20) }}"
    concurrencyLimit: 4
    tasks:
      - id: read
        type: io.kestra.plugin.core.execution.Fail
        condition: "{{ taskrun.value == '13' }}"
        errorMessage: "no such column in file {{ taskrun.value }}"
"""
METRICS = """
id: metrics
namespace: tests.browser
tasks:
  - id: each
    type: io.kestra.plugin.core.flow.ForEach
    values: [10, 20, 30]
    tasks:
      - id: load
        type: io.kestra.plugin.scripts.shell.Commands
        commands:
          - |
            echo '::{"metrics": [{"name": "rows", "type": "counter", "value": {{ taskrun.value }}}]}::'
"""
OUTPUTS = """
id: outputs
namespace: tests.browser
inputs:
  - id: customer
    type: JSON
tasks:
  - id: greet
    type: io.kestra.plugin.core.debug.Return
    format: "Hello {{ inputs.customer.name }}"
"""


def test_an_execution_is_found_in_the_list_and_watched_to_its_end_without_a_reload(site: Site, page: Page) -> None:
    site.flow(SLOW)
    execution_id = site.execute("slow")
    page.goto("/executions?state=live")
    page.get_by_role("link", name="slow").click()
    page.wait_for_url(f"**/executions/{execution_id}")
    page.evaluate("window.wasHere = true")
    expect(page.locator("#state")).to_have_text("Running")
    expect(page.get_by_role("treeitem").filter(has_text="second, to come")).to_be_visible()
    expect(page.locator("#state")).to_have_text("Success")
    expect(page.get_by_role("treeitem").filter(has_text="second, success")).to_be_visible()
    expect(page.get_by_role("treeitem")).to_have_count(2)
    expect(page.get_by_role("log")).to_contain_text("the end is near")
    assert page.evaluate("window.wasHere")


def test_the_end_is_on_the_screen_within_a_tenth_of_a_second(site: Site, page: Page) -> None:
    """Told by the stream: looking every few seconds could not do it. The best of a few, on a machine that does more."""
    site.flow(
        "id: brief\nnamespace: tests.browser\ntasks:\n  - {id: a, type: io.kestra.plugin.core.flow.Sleep, duration: PT1S}\n"
    )
    late: list[float] = []
    while len(late) < 8 and min(late, default=100) >= 100:
        execution_id = site.execute("brief")
        page.goto(f"/executions/{execution_id}")
        page.evaluate(
            "new MutationObserver(() => {"
            " if (document.getElementById('state')?.textContent.trim() === 'Success') window.seen ??= performance.timeOrigin + performance.now()"
            "}).observe(document.getElementById('head'), { subtree: true, childList: true, characterData: true })"
        )
        expect(page.locator("#state")).to_have_text("Success")
        ended = datetime.fromisoformat(site.api("GET", f"executions/{execution_id}")["state"]["endDate"])
        late.append(page.evaluate("window.seen") - ended.timestamp() * 1000)
    print(f"seen after {late} ms")
    assert min(late) < 100


def test_a_long_execution_is_killed_after_a_question(site: Site, page: Page) -> None:
    site.flow(LONG)
    execution_id = site.execute("long")
    site.reaches(execution_id, "RUNNING")
    page.goto(f"/executions/{execution_id}")
    page.get_by_role("button", name="Kill").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Kill this execution?")
    dialog.get_by_role("button", name="Cancel").click()
    assert site.state(execution_id) == "RUNNING"
    page.get_by_role("button", name="Kill").click()
    dialog.get_by_role("button", name="Kill").click()
    expect(page.locator("#state")).to_have_text("Killed")
    assert site.state(execution_id) == "KILLED"


def test_a_paused_execution_says_so_and_is_resumed_by_the_form_of_its_inputs(site: Site, page: Page) -> None:
    site.flow(PAUSED)
    execution_id = site.execute("paused")
    site.reaches(execution_id, "PAUSED")
    page.goto(f"/executions/{execution_id}")
    expect(page.get_by_text("Paused at approval")).to_be_visible()
    page.get_by_role("link", name="Resume").click()
    page.get_by_label("reason").fill("looks right")
    page.get_by_label("amount").fill("11")
    page.get_by_label("amount").blur()
    expect(page.get_by_role("alert").filter(has_text="amount")).to_be_visible()
    page.get_by_label("amount").fill("7")
    page.get_by_role("button", name="Resume").click()
    page.wait_for_url(f"**/executions/{execution_id}")
    expect(page.locator("#state")).to_have_text("Success")
    expect(page.get_by_role("log")).to_contain_text("approved: looks right, 7")


def test_a_failure_opens_on_the_task_run_that_explains_it(site: Site, page: Page) -> None:
    site.flow(FAILING)
    execution_id = site.execute("failing")
    site.reaches(execution_id, "FAILED")
    page.goto(f"/executions/{execution_id}")
    error = page.get_by_role("alert").first
    expect(error).to_contain_text("read [13]")
    expect(error).to_contain_text("no such column in file 13")
    expect(page.locator("#detail h2")).to_have_text(re.compile("read"))
    expect(page.locator("#detail")).to_contain_text("What it was given")
    expect(page.locator(".used").filter(has_text="errorMessage")).to_contain_text("no such column in file 13")
    # The failed iteration stands first and open, the others are folded.
    rows = page.get_by_role("treeitem")
    expect(rows.nth(0)).to_contain_text("1 failed")
    expect(rows.nth(1)).to_contain_text("13")


def test_a_replay_from_a_task_run_starts_a_new_execution(site: Site, page: Page) -> None:
    site.flow(SLOW)
    execution_id = site.execute("slow")
    site.reaches(execution_id, "SUCCESS")
    page.goto(f"/executions/{execution_id}")
    page.get_by_role("treeitem").filter(has_text="second").click()
    expect(page).to_have_url(re.compile(r"\?run="))
    page.get_by_role("button", name="Replay from here").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("starts at the chosen task run")
    dialog.get_by_role("button", name="Replay").click()
    page.wait_for_url(lambda url: "/executions/" in url and execution_id not in url)
    expect(page.locator("#state")).to_have_text("Success")
    expect(page.get_by_role("log")).to_contain_text("the end is near")


def test_outputs_and_inputs_are_trees_and_expressions_can_be_tried(site: Site, page: Page) -> None:
    site.flow(OUTPUTS)
    execution_id = site.execute("outputs", customer='{"name": "Ada", "address": {"city": "Nantes"}}')
    site.reaches(execution_id, "SUCCESS")
    page.goto(f"/executions/{execution_id}")
    expect(page.locator("#detail .tree").first).to_contain_text("Nantes")
    page.get_by_role("treeitem").filter(has_text="greet").click()
    expect(page.locator("#detail .tree").filter(has_text="Hello Ada").first).to_be_visible()
    page.get_by_text("Try an expression").click()
    page.get_by_label("Expression").fill("inputs.customer.address.city | upper")
    page.get_by_role("button", name="Evaluate").click()
    expect(page.locator(".eval-result")).to_contain_text("NANTES")
    page.get_by_label("Expression").fill("inputs.nobody")
    page.get_by_role("button", name="Evaluate").click()
    expect(page.locator(".eval-result")).to_contain_text("nobody")


def test_the_metrics_of_an_execution_are_plotted(site: Site, page: Page) -> None:
    site.flow(METRICS)
    execution_id = site.execute("metrics")
    site.reaches(execution_id, "SUCCESS")
    page.goto(f"/executions/{execution_id}")
    rows = page.locator(".metric").filter(has_text="rows")
    expect(rows).to_contain_text("60 in all")
    expect(rows.get_by_role("img")).to_have_accessible_name("rows: 3 values from 10 to 30, the last 30")


def test_many_are_chosen_and_the_question_names_how_many(site: Site, page: Page) -> None:
    site.flow(LONG)
    ids = [site.execute("long") for _ in range(3)]
    for execution_id in ids:
        site.reaches(execution_id, "RUNNING")
    page.goto("/executions?state=RUNNING&flow=long")
    page.get_by_label("Choose all on this page").check()
    expect(page.get_by_text("3 chosen")).to_be_visible()
    page.locator("[data-bulk=kill]").click()
    expect(page.get_by_role("dialog")).to_contain_text("Kill 3 executions?")
    page.get_by_role("button", name="Kill 3").click()
    for execution_id in ids:
        site.reaches(execution_id, "KILLED")
    page.goto("/executions?flow=long&state=KILLED")
    assert page.locator("[data-row]").count() >= 3


def test_the_list_is_used_by_keyboard_and_its_filters_are_in_the_address(site: Site, page: Page) -> None:
    site.flow(OUTPUTS)
    execution_id = site.execute("outputs", customer='{"name": "Grace"}')
    site.reaches(execution_id, "SUCCESS")
    page.goto("/executions")
    page.keyboard.press("/")
    page.keyboard.type("outputs")
    expect(page).to_have_url(re.compile("q=outputs"))
    expect(page.locator("[data-row]").first).to_contain_text("outputs")
    page.keyboard.press("Escape")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url("**/executions/*")
    page.keyboard.press("g")
    page.keyboard.press("f")
    page.wait_for_url("**/flows")


def test_a_line_of_the_log_has_an_address(site: Site, page: Page) -> None:
    site.flow(SLOW)
    execution_id = site.execute("slow")
    site.reaches(execution_id, "SUCCESS")
    page.goto("/logs?q=near&flow=slow")
    page.locator(".log-row").first.get_by_role("link").click()
    page.wait_for_url("**/executions/*line=*")
    expect(page.locator(".log-line.here")).to_contain_text("the end is near")


def test_a_started_execution_is_a_link_in_the_log(site: Site, page: Page) -> None:
    site.flow(SLOW)
    site.flow(
        "id: starter\nnamespace: tests.browser\ntasks:\n"
        "  - {id: sub, type: io.kestra.plugin.core.flow.Subflow, namespace: tests.browser, flowId: slow, wait: false}\n"
    )
    execution_id = site.execute("starter")
    site.reaches(execution_id, "SUCCESS")
    page.goto(f"/executions/{execution_id}?tab=logs")
    link = page.locator(".log-line").get_by_role("link")
    child_id = link.inner_text()
    link.click()
    page.wait_for_url(f"**/executions/{child_id}*")
    assert child_id != execution_id
