"""Executions in a real browser: found in the list, watched live to their end."""

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
    duration: PT1.5S
  - id: second
    type: io.kestra.plugin.core.log.Log
    message: the end is near
"""


def test_an_execution_is_found_in_the_list_and_watched_to_its_end_without_a_reload(site: Site, page: Page) -> None:
    site.flow(SLOW)
    execution_id = site.execute("slow")
    page.goto("/executions?state=live")
    page.get_by_role("link", name="slow").click()
    page.wait_for_url(f"**/executions/{execution_id}")
    page.evaluate("window.wasHere = true")
    expect(page.locator("#state")).to_have_text("Running")
    expect(page.locator("#state")).to_have_text("Success")
    expect(page.get_by_role("treeitem")).to_have_count(2)
    expect(page.get_by_role("log")).to_contain_text("the end is near")
    assert page.evaluate("window.wasHere")
