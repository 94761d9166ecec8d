"""Origins, CSRF, headers, wrong passwords, tokens, the audit log, and who may scrape metrics."""

from datetime import UTC, datetime, timedelta
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import DatabaseError, connection, transaction
from django.test import Client

from executions import audit
from executions.api import auth
from executions.models import ApiToken, AuditRecord
from flows import access
from tests.integration.rest_support import FLOW, PASSWORD, Rest, administrator, member, stored

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("nobody_remembered")]


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
