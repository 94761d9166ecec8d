"""The administration in a real browser: a flow mended at the line, executions acted on, queues cleaned, letters driven again."""

import re

import psycopg
import pytest
from playwright.sync_api import Page, expect

from tests.acceptance.browser_support import Site

pytestmark = pytest.mark.browser

HELLO = "id: governed\nnamespace: tests.admin\ntasks:\n  - id: a\n    type: io.kestra.plugin.core.log.Log\n    message: hi\n"
LONG = (
    "id: endless\nnamespace: tests.admin\ntasks:\n  - {id: a, type: io.kestra.plugin.core.flow.Sleep, duration: PT1H}\n"
)


def act_on(page: Page, name: str) -> None:
    """Choose an action of the list and run it; the question comes next."""
    page.get_by_label(re.compile("Select all|select all|Toggle all", re.I)).first.check()
    page.locator("select[name=action]").select_option(label=name)
    page.locator("button[name=index]").click()


def test_a_flow_is_edited_and_wrong_text_is_marked_at_its_line(site: Site, page: Page) -> None:
    site.flow(HELLO)
    page.goto("/admin/flows/flowrecord/?q=governed")
    page.get_by_role("link", name="governed").click()
    content = page.locator(".cm-content")
    content.click()
    page.keyboard.press("Control+a")
    page.keyboard.press("Delete")
    page.keyboard.insert_text(HELLO.replace("log.Log", "log.Lag"))
    expect(page.locator(".cm-lint-marker-error")).to_have_count(1)
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("Line 5, column")).to_be_visible()
    page.locator(".cm-content").click()
    page.keyboard.press("Control+a")
    page.keyboard.press("Delete")
    page.keyboard.insert_text(HELLO.replace("hi", "hello"))
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_text("revision 2 is the latest")).to_be_visible()
    assert "hello" in site.api("GET", "flows/tests.admin/governed?source=true")["source"]


def test_a_flow_is_disabled_after_a_question(site: Site, page: Page) -> None:
    site.flow(HELLO.replace("governed", "switched"))
    page.goto("/admin/flows/flowrecord/?q=switched")
    act_on(page, "Disable…")
    expect(page.get_by_text("Nothing starts them any more")).to_be_visible()
    page.get_by_role("button", name="Disable").click()
    expect(page.get_by_text("Disabled 1 flow.")).to_be_visible()
    assert site.api("GET", "flows/tests.admin/switched")["disabled"] is True


def test_an_execution_is_killed_from_its_list(site: Site, page: Page) -> None:
    site.flow(LONG)
    execution_id = site.execute("endless", "tests.admin")
    site.reaches(execution_id, "RUNNING")
    page.goto(f"/admin/executions/executionrecord/?q={execution_id}")
    act_on(page, "Kill…")
    page.get_by_role("button", name="Kill").click()
    expect(page.get_by_text("Killed 1 of 1 executions")).to_be_visible()
    site.reaches(execution_id, "KILLED")
    page.get_by_role("link", name=execution_id).click()
    expect(page.get_by_role("button", name="Save", exact=True)).to_have_count(0)  # history is read-only


def test_old_messages_are_counted_then_removed(site: Site, page: Page) -> None:
    with psycopg.connect(site.conninfo, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO queues (stream, type, body, tries, created)"
            " SELECT true, 'log', '{}', 0, now() - interval '30 days' FROM generate_series(1, 1234)"
        )
    page.goto("/admin/executions/queuemessage/")
    expect(page.get_by_role("table").first).to_contain_text("1,2")
    page.get_by_role("link", name="Clean…").click()
    expect(page.get_by_text("messages are past their retention")).to_contain_text("1,234")
    page.get_by_role("button", name="Remove").click()
    expect(page.get_by_text("Removed 1,234 old messages")).to_be_visible()


def test_a_dead_letter_is_driven_again(site: Site, page: Page) -> None:
    site.flow(HELLO.replace("governed", "mourned"))
    execution_id = site.execute("mourned", "tests.admin")
    site.reaches(execution_id, "SUCCESS")
    with psycopg.connect(site.conninfo, autocommit=True) as connection:
        connection.execute(
            "INSERT INTO dead_letters (type, execution_id, body, error, tries, created, parked)"
            " SELECT 'execution.changed', id, '{\"action\": \"x\"}', 'Traceback\nValueError: a poison message', 3, now(), now()"
            " FROM executions ORDER BY start_date DESC LIMIT 1"
        )
    page.goto("/system")
    expect(page.locator("summary").filter(has_text="a poison message")).to_be_visible()
    page.goto("/admin/executions/deadletter/")
    act_on(page, "Re-drive…")
    page.get_by_role("button", name="Re-drive").click()
    expect(page.get_by_text("Handed 1 of 1 messages")).to_be_visible()
    page.goto("/system")
    expect(page.get_by_text("a poison message")).to_have_count(0)


def test_a_token_is_shown_once_and_works(site: Site, page: Page) -> None:
    page.goto("/admin/executions/apitoken/add/")
    page.locator("select[name=user]").select_option(label="admin", force=True)
    page.locator("[name=name]").fill("robot")
    page.get_by_role("button", name="Save", exact=True).click()
    token = page.locator("code").filter(has_text="cel_").inner_text()
    answer = site.session.get(
        f"{site.base}/api/v1/main/flows/search", headers={"Authorization": f"Bearer {token}"}, auth=lambda asked: asked
    )
    assert answer.status_code == 200
    page.goto("/admin/executions/apitoken/")
    expect(page.get_by_text(token)).to_have_count(0)
