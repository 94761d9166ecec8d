"""Pages and the administration show each reader only the namespaces granted to them, and refuse what their role may not."""

from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from executions import actions
from executions.api import auth
from executions.ids import to_uuid
from flows import access, catalog
from flows.models import FlowRecord, NamespaceGrant

pytestmark = pytest.mark.django_db

FLOW = "id: {id}\nnamespace: {namespace}\ntasks:\n  - id: a\n    type: io.kestra.plugin.core.log.Log\n    message: hi\n"


@pytest.fixture
def seen(db: Any) -> dict[str, str]:
    """A flow and an execution in a namespace of the reader's and in another one; ids of the executions."""
    ids = {}
    for namespace in ("team.mine", "team.other"):
        catalog.create(FLOW.format(id="report", namespace=namespace))
        ids[namespace] = actions.trigger(namespace, "report").id
    return ids


def reader(role: str, *, is_staff: bool = False) -> Client:
    user = User.objects.create_user(f"reader-{role}", password="x", is_staff=is_staff)
    group = Group.objects.create(name=f"group-{role}")
    user.groups.add(group)
    NamespaceGrant.objects.create(group=group, namespace="team.mine", role=role)
    access._cache.clear()
    client = Client()
    client.force_login(user)
    return client


@pytest.mark.parametrize("address", ["/", "/flows", "/executions", "/logs", "/system", "/triggers", "/flows/new"])
def test_pages_ask_strangers_to_log_in(client: Client, address: str) -> None:
    answer = client.get(address)
    assert answer.status_code == 302
    assert answer["Location"].startswith("/login?next=")


def test_lists_hold_only_what_the_reader_may_see(seen: dict[str, str]) -> None:
    client = reader("viewer")
    for address in ("/flows", "/executions", "/"):
        page = client.get(address).content.decode()
        assert "team.mine" in page, address
        assert "team.other" not in page, address


def test_what_one_may_not_see_is_not_found(seen: dict[str, str]) -> None:
    client, other = reader("viewer"), seen["team.other"]
    for path in ("", "/changes", "/log", "/log/download", "/detail", "/head", "/runs"):
        assert client.get(f"/executions/{seen['team.mine']}{path}").status_code == 200, path
        assert client.get(f"/executions/{other}{path}").status_code == 404, path
    for path in ("", "/edit", "/revisions"):
        assert client.get(f"/flows/team.other/report{path}").status_code == 404, path


def test_a_viewer_may_look_but_not_act(seen: dict[str, str]) -> None:
    client, mine = reader("viewer"), seen["team.mine"]
    assert client.post(f"/executions/{mine}/kill").status_code == 403
    assert client.post("/flows/team.mine/report/execute").status_code == 403
    assert client.post("/flows/team.mine/report/disable").status_code == 403
    assert client.post("/system/clean").status_code == 403
    assert "data-act=" not in client.get(f"/executions/{mine}").content.decode()


def test_an_operator_acts_in_their_namespace_only(seen: dict[str, str]) -> None:
    client = reader("operator")
    assert client.post(f"/executions/{seen['team.mine']}/kill").status_code == 200
    assert client.post(f"/executions/{seen['team.other']}/kill").status_code == 404
    both = " ".join(seen.values())
    assert client.post("/executions/bulk", {"action": "kill", "ids": both}).status_code == 404
    assert client.post("/flows/editor/save", data="id: x", content_type="text/plain").status_code == 403


def test_staff_see_their_namespaces_in_the_administration_and_nothing_of_the_machinery(seen: dict[str, str]) -> None:
    client = reader("viewer", is_staff=True)
    for model in ("flows/flowrecord", "executions/executionrecord"):
        page = client.get(f"/admin/{model}/").content.decode()
        assert "team.mine" in page, model
        assert "team.other" not in page, model
    for model in ("executions/queuemessage", "executions/deadletter", "executions/apitoken", "auth/user", "auth/group"):
        assert client.get(f"/admin/{model}/").status_code == 403, model


def test_history_cannot_be_edited_in_the_administration(seen: dict[str, str]) -> None:
    from executions.models import ExecutionRecord

    client = Client()
    client.force_login(User.objects.create_superuser("chief", password="x"))
    row = ExecutionRecord.objects.filter(namespace="team.mine").get()
    address = f"/admin/executions/executionrecord/{row.pk}/change/"
    assert client.get(address).status_code == 200
    assert client.post(address, {"state": "SUCCESS"}).status_code == 403
    assert client.get("/admin/executions/executionrecord/add/").status_code == 403


def test_an_author_of_one_namespace_cannot_write_into_another_by_the_administration(seen: dict[str, str]) -> None:
    client = reader("author", is_staff=True)
    made = client.post("/admin/flows/flowrecord/add/", {"source": FLOW.format(id="new", namespace="team.mine")})
    assert made.status_code == 302
    assert catalog.record("team.mine", "new").revision == 1
    refused = client.post("/admin/flows/flowrecord/add/", {"source": FLOW.format(id="new", namespace="team.other")})
    assert refused.status_code == 403
    with pytest.raises(catalog.FlowNotFound):
        catalog.record("team.other", "new")


def test_everything_that_matches_is_only_what_one_may_act_on(seen: dict[str, str]) -> None:
    client = reader("operator")
    answer = client.post("/executions/bulk", {"action": "delete", "everything": "yes", "query": "?flow=report"})
    assert answer.status_code == 302
    assert client.get(f"/executions/{seen['team.mine']}").status_code == 404
    from executions.models import ExecutionRecord

    left = ExecutionRecord.objects.filter(namespace__startswith="team.").values_list("namespace", flat=True)
    assert list(left) == ["team.other"]


def test_the_administration_has_no_login_of_its_own(client: Client) -> None:
    answer = client.get("/admin/login/?next=/admin/flows/flowrecord/")
    assert (answer.status_code, answer["Location"]) == (302, "/login?next=/admin/flows/flowrecord/")
    assert client.post("/admin/login/", {"username": "a", "password": "b"}).status_code == 302
    assert reader("viewer").get("/admin/", follow=True).status_code == 403


def test_a_name_tried_too_often_is_told_to_wait(client: Client) -> None:
    assert client.post("/login", {"username": "tried", "password": "wrong"}).status_code == 200
    for _ in range(9):
        auth.count_failure("127.0.0.1 tried")
    answer = client.post("/login", {"username": "tried", "password": "wrong"})
    assert answer.status_code == 429
    assert "Too many wrong passwords" in answer.content.decode()


@pytest.mark.parametrize("button", ["open", "execute", "revisions"])
def test_the_buttons_of_the_administration_do_not_name_a_flow_that_one_may_not_see(
    seen: dict[str, str], button: str
) -> None:
    client = reader("viewer", is_staff=True)
    for namespace, status in (("team.mine", 302), ("team.other", 404)):
        row = catalog.record(namespace, "report")
        assert client.get(f"/admin/flows/flowrecord/{row.pk}/{button}/").status_code == status, namespace
    assert client.get(f"/admin/flows/flowrecord/{row.pk}/history/").status_code == 404


@pytest.mark.parametrize("action", ["restart", "replay", "resume"])
def test_an_action_on_many_says_which_have_no_flow_any_more(seen: dict[str, str], action: str) -> None:
    client, left = reader("operator", is_staff=True), seen["team.mine"]
    FlowRecord.objects.all().delete()
    done = client.post("/executions/bulk", {"action": action, "ids": left}, follow=True)
    assert done.status_code == 200 and b"Nothing was done" in done.content and left.encode() in done.content
    chosen = {"action": action, "_selected_action": str(to_uuid(left)), "confirmed": "1"}
    told = client.post("/admin/executions/executionrecord/", chosen, follow=True)
    assert told.status_code == 200 and b"did not allow it" in told.content


def test_a_log_is_downloaded_line_by_line(seen: dict[str, str]) -> None:
    """However many lines there are: they are not gathered first."""
    answer = reader("viewer").get(f"/executions/{seen['team.mine']}/log/download")
    assert answer.streaming and answer["Content-Type"] == "text/plain; charset=utf-8"
    assert f'filename="report-{seen["team.mine"]}.log"' in answer["Content-Disposition"]
    assert b"".join(answer.streaming_content) == b""


def test_many_are_looked_up_at_once_and_refused_together(seen: dict[str, str]) -> None:
    client = reader("operator")
    ids = [seen["team.mine"], *(actions.trigger("team.mine", "report").id for _ in range(9))]
    with CaptureQueriesContext(connection) as asked:
        assert client.post("/executions/bulk", {"action": "delete", "ids": " ".join(ids)}).status_code == 302
    assert (
        len([one for one in asked if one["sql"].startswith("SELECT") and '"executions"."namespace"' in one["sql"]]) == 1
    )
    left = actions.trigger("team.mine", "report").id
    for other in (seen["team.other"], "nonsense"):
        assert client.post("/executions/bulk", {"action": "delete", "ids": f"{left} {other}"}).status_code == 404
    NamespaceGrant.objects.create(group=Group.objects.get(), namespace="team.other", role="viewer")
    access.forget()
    both = {"action": "delete", "ids": f"{left} {seen['team.other']}"}
    assert client.post("/executions/bulk", both).status_code == 403
    assert client.get(f"/executions/{left}").status_code == 200
