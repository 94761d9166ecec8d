"""Writing and starting flows in a real browser: the error at its line, help while typing, the form, revisions, the admin."""

import re

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.acceptance.browser_support import ADMIN, Site, watch_faults

pytestmark = pytest.mark.browser

FORM = """
id: form
namespace: tests.browser
inputs:
  - id: name
    type: STRING
    validator: "[A-Z].*"
  - id: colour
    type: SELECT
    values: [red, green]
    defaults: green
  - id: notify
    type: BOOLEAN
    defaults: false
  - id: address
    type: EMAIL
    required: false
    dependsOn:
      inputs: [notify]
      condition: "{{ inputs.notify }}"
  - id: letter
    type: FILE
  - id: when
    type: DATETIME
    required: false
tasks:
  - id: tell
    type: io.kestra.plugin.core.log.Log
    message: "{{ inputs.name }} likes {{ inputs.colour }}: {{ read(inputs.letter) }}"
"""


def write(page: Page, text: str) -> None:
    """As one types it; the editor would indent by itself, so the text goes in at once."""
    page.locator(".cm-content").click()
    page.keyboard.press("Control+a")
    page.keyboard.press("Delete")
    page.keyboard.insert_text(text)


def test_a_flow_is_written_its_error_seen_at_its_line_mended_and_executed(site: Site, page: Page) -> None:
    page.goto("/flows/new")
    wrong = "id: written\nnamespace: tests.browser\ntasks:\n  - id: hello\n    type: io.kestra.plugin.core.log.Logg\n    message: hi\n"
    write(page, wrong)
    expect(page.locator("#verdict")).to_have_text("1 problem")
    problem = page.locator("#problems button")
    expect(problem).to_contain_text("Line 5")
    expect(problem).to_contain_text("io.kestra.plugin.core.log.Log")
    expect(page.locator(".cm-lint-marker-error")).to_have_count(1)
    page.get_by_role("button", name="Save").click()
    expect(page.locator(".toast.error")).to_contain_text("1 problem")
    expect(page).to_have_url(re.compile("/flows/new"))
    write(page, wrong.replace("Logg", "Log").replace("message: hi", 'message: "{{ flow.id | uper }}"'))
    expect(page.locator("#verdict")).to_have_text("Valid, 1 warning")
    expect(problem).to_contain_text("Line 6")
    expect(page.locator(".cm-lint-marker-warning")).to_have_count(1)
    write(page, wrong.replace("Logg", "Log"))
    expect(page.locator("#verdict")).to_have_text("Valid")
    expect(page.locator("#topology .topo-name")).to_have_text("hello")
    page.get_by_role("button", name="Save").click()
    page.wait_for_url("**/flows/tests.browser/written")
    page.get_by_role("link", name="Execute", exact=True).click()
    page.get_by_role("button", name="Execute").click()
    page.wait_for_url("**/executions/*")
    expect(page.locator("#state")).to_have_text("Success")


def test_the_editor_proposes_what_may_stand_at_the_cursor_and_explains_it(site: Site, page: Page) -> None:
    page.goto("/flows/new")
    write(page, "id: typed\nnamespace: tests.browser\ntasks:\n  - id: a\n    type: core.log.L")
    proposals = page.locator(".cm-tooltip-autocomplete")
    page.keyboard.press("Control+Space")
    expect(proposals).to_contain_text("core.log.Log")
    proposals.get_by_role("option").filter(has_text="core.log.Log").click()
    expect(page.locator(".cm-content")).to_contain_text("io.kestra.plugin.core.log.Log")
    page.keyboard.insert_text("\n    ")
    page.keyboard.press("Control+Space")
    expect(proposals).to_contain_text("message")
    expect(proposals).to_contain_text("required")
    page.keyboard.press("Escape")
    page.keyboard.insert_text("retry:\n      ")
    page.keyboard.press("Control+Space")
    expect(proposals).to_contain_text("maxAttempts")
    page.keyboard.press("Escape")
    page.get_by_text("io.kestra.plugin.core.log.Log").first.hover()
    expect(page.locator(".y-help")).to_contain_text("Needs message")


def test_a_flow_is_found_run_and_looked_into_by_keyboard_alone(site: Site, page: Page) -> None:
    site.flow(
        "id: typed\nnamespace: tests.browser\ninputs:\n  - {id: name, type: STRING, defaults: world}\ntasks:\n"
        "  - {id: a, type: io.kestra.plugin.core.log.Log, message: one}\n"
        "  - {id: b, type: io.kestra.plugin.core.log.Log, message: '{{ inputs.name }}'}\n"
    )
    press = page.keyboard.press
    page.goto("/")
    press("g")
    press("f")
    page.wait_for_url("**/flows")
    press("/")
    page.keyboard.type("typed")
    expect(page.locator("[data-row]")).to_have_count(1)
    press("Escape")
    expect(page.get_by_label("Search name or description")).to_have_value("typed")
    press("j")
    press("Enter")
    page.wait_for_url("**/typed")
    page.get_by_role("link", name="Execute", exact=True).focus()
    press("Enter")
    page.wait_for_url("**/execute")
    page.get_by_label("name").focus()
    press("Enter")
    page.wait_for_url("**/executions/*")
    expect(page.locator("#state")).to_have_text("Success")
    page.get_by_role("tree", name="Task runs").focus()
    press("ArrowDown")
    press("ArrowDown")
    page.wait_for_url("**?run=*")
    expect(page.get_by_role("log")).to_contain_text("world")
    page.goto("/flows/tests.browser/typed/edit")
    page.locator(".cm-content").focus()
    press("Escape")
    press("Tab")
    expect(page.locator(".cm-content")).not_to_be_focused()
    assert "  id: typed" not in page.locator(".cm-content").inner_text()


def test_the_form_of_inputs_is_checked_while_it_is_filled_in(site: Site, page: Page) -> None:
    site.flow(FORM)
    page.goto("/flows/tests.browser/form/execute")
    expect(page.locator("[data-input=address]")).to_be_hidden()
    page.get_by_label("notify").select_option("true")
    expect(page.locator("[data-input=address]")).to_be_visible()
    page.get_by_label("name").fill("ada")
    page.get_by_label("name").blur()
    expect(page.locator("[data-input=name] .error")).to_contain_text("Invalid input")
    page.get_by_label("name").fill("Ada")
    expect(page.locator("[data-input=name] .error")).to_have_text("")
    expect(page.locator("#preview")).to_contain_text("green")
    page.get_by_label("colour").select_option("red")
    page.get_by_label("letter").set_input_files({"name": "letter.txt", "mimeType": "text/plain", "buffer": b"dear all"})
    page.get_by_text("Labels, start later").click()
    page.get_by_label("Key of a new label").fill("note")
    page.get_by_label("Value of a new label").first.fill("blue and green")
    page.get_by_role("button", name="Execute").click()
    page.wait_for_url("**/executions/*")
    expect(page.locator("#state")).to_have_text("Success")
    expect(page.get_by_role("log")).to_contain_text("Ada likes red: dear all")
    expect(page.get_by_role("link", name="note:blue and green")).to_be_visible()
    page.get_by_text("More", exact=True).click()
    page.get_by_role("button", name="Set labels").click()
    expect(page.get_by_label("Value of label 1")).to_have_value("blue and green")
    page.get_by_label("Value of label 1").fill("red, at last")
    page.get_by_role("button", name="Set labels", exact=True).click()
    expect(page.get_by_role("link", name="note:red, at last")).to_be_visible()


def test_wrong_values_come_back_with_the_form_and_nothing_is_started(
    site: Site, page: Page, refusals: set[str]
) -> None:
    refusals.add("status of 422")
    site.flow(FORM)
    page.goto("/flows/tests.browser/form/execute")
    page.get_by_label("name").fill("Ada")
    page.get_by_text("Labels, start later").click()
    page.get_by_label("Key of a new label").fill("novalue")
    page.get_by_label("letter").set_input_files({"name": "a.txt", "mimeType": "text/plain", "buffer": b"x"})
    with page.expect_response(
        lambda answer: answer.request.method == "POST" and answer.url.endswith("/execute")
    ) as got:
        page.get_by_role("button", name="Execute").click()
    assert got.value.status == 422
    expect(page.get_by_role("alert").first).to_contain_text("a key and a value")
    expect(page.get_by_label("name")).to_have_value("Ada")


def test_revisions_are_compared_and_an_old_one_is_brought_back(site: Site, page: Page) -> None:
    first = "id: revised\nnamespace: tests.browser\ntasks:\n  - id: a\n    type: io.kestra.plugin.core.log.Log\n    message: one\n"
    site.flow(first)
    site.flow(first.replace("one", "two"))
    page.goto("/flows/tests.browser/revised/revisions")
    expect(page.locator(".diff .gone")).to_contain_text("message: one")
    expect(page.locator(".diff .come")).to_contain_text("message: two")
    page.get_by_role("button", name="Restore").last.click()
    expect(page.get_by_role("status").first).to_contain_text("saved again as revision 3")
    page.goto("/flows/tests.browser/revised")
    expect(page.locator("#source")).to_contain_text("message: one")


def test_the_list_of_flows_shows_how_they_fare(site: Site, page: Page) -> None:
    site.flow(
        "id: fares\nnamespace: tests.browser\ndescription: '**Always** fails.'\ntasks:\n  - {id: a, type: io.kestra.plugin.core.execution.Fail}\n"
    )
    site.reaches(site.execute("fares"), "FAILED")
    page.goto("/flows?q=fares")
    row = page.locator("[data-row]").filter(has_text="fares")
    expect(row.locator(".spark")).to_contain_text("Failed")
    expect(row).to_contain_text("Always fails.")
    row.get_by_role("link", name="fares", exact=True).click()
    expect(page.locator("#fares")).to_contain_text("Failed")
    expect(page.locator(".prose strong")).to_have_text("Always")
    expect(page.get_by_role("group", name="Durations of the last 1 execution,")).to_be_visible()


def test_logging_in_with_a_wrong_password_says_so_and_leads_back_after_the_right_one(
    site: Site, browser: Browser
) -> None:
    context = browser.new_context(base_url=site.base)
    page = context.new_page()
    faults = watch_faults(page, site.base)
    page.goto("/flows?q=x")
    page.wait_for_url("**/login?next=**")
    page.get_by_label("Name").fill(ADMIN[0])
    page.get_by_label("Password").fill("wrong")
    page.get_by_role("button", name="Log in").click()
    expect(page.get_by_role("alert")).to_be_visible()
    page.get_by_label("Name").fill(ADMIN[0])
    page.get_by_label("Password").fill(ADMIN[1])
    page.get_by_role("button", name="Log in").click()
    page.wait_for_url(re.compile(r"/flows\?q=x"))
    context.close()
    assert not faults
