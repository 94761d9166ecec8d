"""Addresses that somebody typed or cut off: an answer that helps, never an error of the server."""

import pytest
from django.contrib.auth.models import User
from django.test import Client

from executions import actions
from executions.ids import to_uuid
from executions.models import ExecutionRecord
from flows import catalog

pytestmark = pytest.mark.django_db

FLOW = "id: work\nnamespace: team\ntasks:\n  - id: a\n    type: io.kestra.plugin.core.log.Log\n    message: hi\n"


@pytest.fixture
def reader(db: object) -> Client:
    client = Client(raise_request_exception=False)
    client.force_login(User.objects.create_superuser("odd", password="x"))
    return client


@pytest.mark.parametrize("since", ["banana", "P999999999999D", "P3000000D", "-P1D", "P"])
def test_a_range_that_is_none_limits_nothing(reader: Client, since: str) -> None:
    catalog.create(FLOW)
    execution = actions.trigger("team", "work")
    answer = reader.get("/executions", {"since": since})
    assert answer.status_code == 200
    assert execution.id in answer.content.decode()
    assert reader.get("/logs", {"since": since}).status_code == 200


@pytest.mark.parametrize(
    "address",
    [
        "/executions?q=%00",
        "/logs?q=%00",
        "/flows?namespace=a%00",
        "/executions?label=a:%00",
        "/flows/a%00/b",
        "/admin/executions/executionrecord/?state=%00",
    ],
)
def test_a_nul_character_is_a_bad_request(reader: Client, address: str) -> None:
    assert reader.get(address).status_code == 400


@pytest.mark.parametrize("address", ["/nothing/here", "/admin/nothing/"])
def test_an_unknown_address_is_told_in_words_of_people(reader: Client, address: str) -> None:
    answer = reader.get(address)
    assert answer.status_code == 404
    assert "There is nothing here, or you may not see it." in answer.content.decode()


def test_what_is_not_paused_has_no_form_to_resume_it(reader: Client) -> None:
    catalog.create(FLOW)
    execution = actions.trigger("team", "work")
    answer = reader.get(f"/executions/{execution.id}/resume", follow=True)
    assert answer.redirect_chain == [(f"/executions/{execution.id}", 302)]
    assert "not paused" in answer.content.decode()


def test_the_administration_names_an_execution_by_the_id_that_everybody_uses(reader: Client) -> None:
    catalog.create(FLOW)
    execution = actions.trigger("team", "work")
    assert str(ExecutionRecord.objects.get(pk=to_uuid(execution.id))) == f"team.work {execution.id}"


@pytest.mark.parametrize("around", ["9999-12-31T23:59", "0001-01-01T00:00", "0001-01-01T00:00+14:00", "tomorrow"])
def test_a_moment_beyond_any_log_line_is_passed_over(reader: Client, around: str) -> None:
    assert reader.get("/logs", {"around": around}).status_code == 200


def test_the_labels_of_the_dialog_replace_the_present_ones_but_those_of_the_system(reader: Client) -> None:
    catalog.create(FLOW)
    execution = actions.trigger("team", "work", labels={"old": "1", "both": "2"})
    answer = reader.post(
        f"/executions/{execution.id}/labels",
        {"label-key": ["both", "new", ""], "label-value": ["3", "four and a half", ""]},
    )
    assert answer.status_code == 200, answer.content
    labels = {label["key"]: label["value"] for label in ExecutionRecord.objects.get(pk=to_uuid(execution.id)).labels}
    assert labels == {"system.correlationId": execution.id, "both": "3", "new": "four and a half"}


def test_a_filter_that_makes_no_sense_does_not_choose_everything(reader: Client) -> None:
    catalog.create(FLOW)
    actions.trigger("team", "work")
    form = {"action": "delete", "everything": "yes", "query": "?q=%00"}
    assert reader.post("/executions/bulk", form).status_code == 400
    assert ExecutionRecord.objects.filter(namespace="team").count() == 1


def test_the_address_of_a_task_run_that_is_gone_opens_the_execution_and_says_so(reader: Client) -> None:
    catalog.create(FLOW)
    execution = actions.trigger("team", "work")
    for run in (execution.id, "nonsense"):
        page = reader.get(f"/executions/{execution.id}", {"run": run})
        assert "does not exist (any more)" in page.content.decode()
        assert '"selected": null' in page.content.decode()
