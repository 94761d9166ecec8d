"""Origins, CSRF, headers, wrong passwords, tokens, the audit log, and who may scrape metrics."""

from base64 import b64encode
from datetime import UTC, datetime, timedelta
from textwrap import dedent
from typing import Any
from unittest.mock import patch

import psycopg
import pytest
from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import DatabaseError, connection, transaction
from django.test import Client
from rest_framework.exceptions import AuthenticationFailed

from executions import audit
from executions.api import auth
from executions.models import ApiToken, AuditRecord
from flows import access
from tests.integration.rest_support import FLOW, PASSWORD, Rest, administrator, member, stored

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("nobody_remembered", "no_audit")]


def logged_in(user: Any) -> Client:
    client = Client(enforce_csrf_checks=True)
    client.force_login(user)
    return client


def test_a_session_changes_nothing_without_its_token(db: None) -> None:
    client = logged_in(administrator())
    for kind in ("application/x-yaml", "text/plain", "application/json"):
        assert client.post("/api/v1/flows", FLOW, content_type=kind).status_code == 403
    assert client.get("/api/v1/flows/search").status_code == 200
    token = client.get("/api").cookies["csrftoken"].value
    answer = client.post("/api/v1/flows", FLOW, content_type="application/x-yaml", headers={"x-csrftoken": token})
    assert answer.status_code == 200


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://testserver.evil.example"])
def test_remembered_basic_credentials_are_of_no_use_to_another_site(admin: Rest, origin: str) -> None:
    assert admin.post("flows", FLOW, headers={"origin": origin}).status_code == 403
    assert admin.get("flows/search", headers={"origin": origin}).status_code == 200
    assert admin.post("flows", FLOW, headers={"origin": "http://testserver"}).status_code == 200


def test_no_answer_invites_other_sites(admin: Rest) -> None:
    answer = admin.get("flows/search", headers={"origin": "https://evil.example"})
    assert not [name for name in answer.headers if name.lower().startswith("access-control")]
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["X-Frame-Options"] == "DENY"
    page = Client().get("/login")
    policy = page.headers["Content-Security-Policy"]
    assert "unsafe-inline" not in policy and "frame-ancestors 'none'" in policy and "default-src 'none'" in policy
    assert page.headers["Referrer-Policy"] == "same-origin"
    assert page.cookies["csrftoken"]["samesite"] == "Lax"


def test_ten_wrong_passwords_close_the_door_for_a_while(db: None) -> None:
    administrator()
    wrong = Rest(header="Basic cm9vdDp3cm9uZw==")
    assert [wrong.get("configs").status_code for _ in range(10)] == [401] * 10
    refused = wrong.get("configs")
    assert refused.status_code == 429 and int(refused.headers["Retry-After"]) > 0
    assert "message" in refused.json()


def test_a_token_is_stored_hashed_and_bound_to_scope_namespace_and_time(db: None) -> None:
    owner = administrator()
    token = auth.issue_token(owner, "ci", scopes=["viewer"], namespaces=["a"])
    assert token not in str(list(ApiToken.objects.values()))
    mine, other = stored(namespace="a.b"), stored(namespace="c")
    rest = Rest(header=f"Bearer {token}")
    assert rest.get(f"executions/{mine.id}").status_code == 200
    assert rest.get(f"executions/{other.id}").status_code == 404
    assert rest.json("executions/search")["total"] == 1
    assert rest.delete(f"executions/{mine.id}").status_code == 403
    assert ApiToken.objects.get().last_used is not None
    ApiToken.objects.update(expires=datetime.now(UTC) - timedelta(seconds=1))
    auth.forget()
    assert rest.get(f"executions/{mine.id}").status_code == 401


def test_a_token_never_gives_more_than_its_owner_has(db: None) -> None:
    viewer = member("vera", "viewer", "a")
    rest = Rest(header=f"Bearer {auth.issue_token(viewer, 'mine', scopes=['admin'])}")
    assert rest.delete(f"executions/{stored(namespace='a').id}").status_code == 403
    viewer.is_active = False
    viewer.save()
    auth.forget()
    access.forget()
    assert rest.get("executions/search").status_code == 401


def test_a_changed_password_ends_the_sessions_and_the_remembered_credentials(db: None) -> None:
    user = administrator()
    client, rest = logged_in(user), Rest(user)
    assert rest.get("configs").status_code == 200 and client.get("/api/v1/configs").status_code == 200
    user = get_user_model().objects.get(pk=user.pk)
    user.set_password("another long password")
    user.save()
    auth._rows.clear()  # as a second later; what was verified is still remembered
    assert rest.get("configs").status_code == 401
    assert client.get("/api/v1/configs").status_code == 401


def test_each_change_leaves_a_row_that_cannot_be_altered(admin: Rest) -> None:
    admin.post("main/flows", FLOW)
    execution = stored()
    admin.delete(f"executions/{execution.id}?deleteLogs=false")
    admin.post("flows/validate", FLOW)
    admin.get("flows/search")
    admin.post("flows", "nonsense")
    found = list(AuditRecord.objects.order_by("id").values_list("actor", "action", "target"))
    assert found == [
        ("root", "POST flows", "/api/v1/main/flows"),
        ("root", "DELETE executions/{execution_id}", f"/api/v1/executions/{execution.id}"),
    ]
    row = AuditRecord.objects.latest("id")
    assert row.detail == {"status": 204, "query": "deleteLogs=false"} and row.address == "127.0.0.1"
    for statement in ("UPDATE audit SET actor = 'x'", "DELETE FROM audit"):
        with pytest.raises(DatabaseError), transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(statement)
    assert AuditRecord.objects.count() == 2


@pytest.mark.django_db(transaction=True)
def test_old_audit_rows_go_by_their_retention_and_the_purge_is_noted() -> None:
    with psycopg.connect(settings.DATABASE_DIRECT_DSN, autocommit=True) as own:
        own.execute(
            "INSERT INTO audit (timestamp, actor, action, target, detail, address)"
            " SELECT now() - make_interval(days => d), 'a', 'b', 'c', '{}', '' FROM generate_series(0, 9) AS d"
        )
        assert audit.purge(own, timedelta(days=5, hours=12).total_seconds()) == 4
        assert audit.purge(own, timedelta(days=5, hours=12).total_seconds()) == 0
        rows = own.execute("SELECT action, detail FROM audit WHERE actor = 'system'").fetchall()
        assert rows == [("purge audit", {"removed": 4, "olderThanSeconds": 475200.0})]
        with pytest.raises(psycopg.Error):  # the permission went with the purge's transaction
            own.execute("DELETE FROM audit")


def test_a_refused_change_of_a_known_caller_is_noted(db: None) -> None:
    Rest(member("vera", "viewer", "tests")).delete("flows/tests.rest/hello")
    assert list(AuditRecord.objects.values_list("actor", "detail__status")) == [("vera", 403)]
    Rest().post("flows", FLOW)
    assert AuditRecord.objects.count() == 1


def test_metrics_are_for_known_callers_and_for_this_machine(admin: Rest) -> None:
    stored(namespace="secret.name", flow_id="secretflow")
    answer = Client().get("/metrics")
    assert answer.status_code == 200 and answer.headers["Content-Type"].startswith("text/plain")
    text = answer.content.decode()
    for name in (
        "celesta_queue_messages",
        "celesta_executions_last_hour",
        "celesta_stream_lag_seconds",
        "process_resident",
    ):
        assert name in text
    assert "secret" not in text
    assert Client(REMOTE_ADDR="203.0.113.9").get("/metrics").status_code == 401
    assert Client(headers={"x-forwarded-for": "203.0.113.9"}).get("/metrics").status_code == 401
    assert Rest(header=admin.header, REMOTE_ADDR="203.0.113.9").get("/metrics").status_code == 200


def test_times_of_the_engine_are_histograms(db: None) -> None:
    from executor import telemetry

    telemetry.observe("claim", 0.003)
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO service_instances (id, kind, host, pid, queues, threads, state, started, beat, facts)"
            " VALUES ('e1', 'executor', '', 1, '[]', 1, 'RUNNING', now(), now(), %s)",
            ['{"claim_le_0_005": 3, "claim_le_inf": 1, "claim_us": 5000000, "jobs_lost": 2}'],
        )
    text = Client().get("/metrics").content.decode()
    assert 'celesta_claim_seconds_bucket{le="0.005",service="e1"} 3.0' in text
    assert 'celesta_claim_seconds_bucket{le="+Inf",service="e1"} 4.0' in text
    assert 'celesta_claim_seconds_sum{service="e1"} 5.0' in text
    assert 'celesta_jobs_lost_total{service="e1"} 2.0' in text
    assert telemetry.counters()["claim_le_0_005"] >= 1
    assert PASSWORD not in text


def test_a_token_sets_no_password(db: None) -> None:
    """It may do less than its owner: with the owner's password it would do all of it."""
    owner = administrator()
    narrow = Rest(header=f"Bearer {auth.issue_token(owner, 'ci', scopes=['viewer'], namespaces=['a'])}")
    body = {"username": "root", "password": "a new long password"}
    assert narrow.post("basicAuth", body).status_code == 403
    assert Rest(owner).get("configs").status_code == 200


def test_an_administrator_s_token_for_one_namespace_does_not_reach_the_instance(db: None) -> None:
    narrow = Rest(header=f"Bearer {auth.issue_token(administrator(), 'ci', namespaces=['a'])}")
    assert narrow.get("executions/search").status_code == 200
    assert narrow.get("usages/all").status_code == 403
    local = logged_in(member("nora", "admin", "a"))
    assert local.get("/system").status_code == 200
    assert local.get("/system/cleanable").status_code == 403


@pytest.mark.parametrize("header", ["Basic \xe9", "Basic cm9v", "Basic AHgAOnB3", "Basic", "Bearer \xe9"])
def test_credentials_that_are_none_are_refused(db: None, header: str) -> None:
    assert Rest(header=header).get("configs").status_code == 401


def test_what_strangers_send_is_not_kept_without_end(db: None) -> None:
    for number in range(3):
        for _ in range(2):
            with pytest.raises(AuthenticationFailed):
                auth.identify("Basic " + b64encode(f"{number}{'x' * 5_000}:y".encode()).decode())
    assert sum(len(key) for key in (*auth._rows, *auth._failures)) < 1_000
    with patch.object(auth, "_LIMIT", 2):
        for number in range(9):
            auth.count_failure(str(number))
        assert len(auth._failures) <= 3


def test_no_name_of_a_namespace_or_flow_hides_a_change_from_the_audit(admin: Rest) -> None:
    """`exporter` begins like a route that changes nothing."""
    text = "tasks: [{id: t, type: io.kestra.plugin.core.log.Log, message: x}]"
    assert admin.post("flows", f"{{id: evaluation, namespace: exporter, {text}}}").status_code == 200
    changed = f"{{id: evaluation, namespace: exporter, description: y, {text}}}"
    assert admin.put("flows/exporter/evaluation", changed).status_code == 200
    assert admin.put("namespaces/autocompletes/kv/k", "1").status_code == 200
    assert admin.post("executions/exporter/evaluation").status_code == 200
    assert admin.delete("flows/exporter/evaluation").status_code == 204
    actions = list(AuditRecord.objects.order_by("id").values_list("action", flat=True))
    assert actions == [
        "POST flows",
        "PUT flows/{namespace}/{flow_id}",
        "PUT namespaces/{namespace}/kv/{key}",
        "POST executions/{namespace}/{flow_id}",
        "DELETE flows/{namespace}/{flow_id}",
    ]


def test_the_key_of_a_webhook_is_not_written_down(admin: Rest) -> None:
    flow = """
        id: called
        namespace: tests.rest
        tasks: [{id: t, type: io.kestra.plugin.core.log.Log, message: x}]
        triggers: [{id: w, type: io.kestra.plugin.core.trigger.Webhook, key: a-key-that-nobody-else-knows}]
    """
    assert admin.post("flows", dedent(flow)).status_code == 200
    answer = Client().post("/api/v1/executions/webhook/tests.rest/called/a-key-that-nobody-else-knows")
    assert answer.status_code == 200
    row = AuditRecord.objects.latest("id")
    assert row.target == "/api/v1/executions/webhook/tests.rest/called/***" and row.actor == "anonymous"
