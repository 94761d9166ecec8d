"""Names of secrets over REST: for those who may write the flows that use them."""

from executions.models import SecretRecord
from executions.storage import secrets
from tests.integration.rest_support import Rest, member


def test_names_of_secrets_are_listed_to_authors_and_values_to_nobody(admin: Rest) -> None:
    for namespace, key in (("team", "TOKEN"), ("team.one", "WORD"), ("bank", "PIN")):
        SecretRecord.objects.create(namespace=namespace, key=key, value=secrets.closed("canary-value"))
    author, viewer = Rest(member("ann", "author", "team")), Rest(member("vic", "viewer", "team"))
    listed = admin.json("secrets?sort=key:desc")
    assert listed["readOnly"] is True and [one["key"] for one in listed["results"]] == ["WORD", "TOKEN", "PIN"]
    assert author.json("main/secrets?filters[namespace][EQUALS]=team") == {
        "results": [{"namespace": "team", "key": "TOKEN"}], "total": 1, "readOnly": True
    }  # fmt: skip
    assert author.json("secrets")["total"] == 2
    assert author.json("namespaces/team.one/secrets")["results"] == [{"namespace": "team.one", "key": "WORD"}]
    assert author.json("namespaces/team.one/inherited-secrets") == {"team.one": ["WORD"], "team": ["TOKEN"]}
    for path in ("secrets", "namespaces/team/secrets", "namespaces/team/inherited-secrets"):
        assert viewer.get(path).status_code == 403
        assert "canary-value" not in admin.get(path).content.decode()
    assert author.get("namespaces/bank/secrets").status_code == 403
    assert author.get("secrets?filters[colour][EQUALS]=x").status_code == 422
