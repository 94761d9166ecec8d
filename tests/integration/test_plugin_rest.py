"""Plugins, their schemas and icons over REST, against what the registry knows."""

import base64

import pytest

from flows.tasks import registry, schemas
from tests.integration.rest_support import Rest

LOG = "io.kestra.plugin.core.log.Log"


def test_every_usable_type_is_listed_in_its_group(admin: Rest) -> None:
    groups = {group["group"]: group for group in admin.json("plugins")}
    listed = {task["cls"] for group in groups.values() for task in group["tasks"]}
    assert listed == set(schemas.types("task")) <= set(registry.TASKS)
    assert LOG in {task["cls"] for task in groups["io.kestra.plugin.core"]["tasks"]}
    subgroups = {(one["group"], one.get("subGroup")) for one in admin.json("plugins/groups/subgroups")}
    assert ("io.kestra.plugin.core", "io.kestra.plugin.core.log") in subgroups


@pytest.mark.parametrize("kind", ["flow", "task", "trigger", "template", "plugindefault"])
def test_schemas_have_no_reference_into_nothing(admin: Rest, kind: str) -> None:
    schema = admin.json(f"plugins/schemas/{kind}")

    def references(value: object) -> set[str]:
        if isinstance(value, dict):
            own = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
            return own.union(*(references(item) for item in value.values()))
        return set().union(*(references(item) for item in value)) if isinstance(value, list) else set()

    missing = {name.removeprefix("#/definitions/") for name in references(schema)} - set(schema["definitions"])
    assert not missing
    assert schema["definitions"][LOG]["properties"]["type"]["enum"][0] == LOG
    assert admin.json(f"plugins/schemas/{kind}?arrayOf=true")["type"] == "array"


def test_documentation_of_a_type_by_any_of_its_names(admin: Rest) -> None:
    found = admin.json(f"plugins/{LOG}")
    assert "message" in found["schema"]["properties"]["properties"] and "retry" not in str(
        found["schema"]["properties"]
    )
    assert found["markdown"].startswith("# Log")
    assert "retry" in admin.json(f"plugins/{LOG}?all=true")["schema"]["properties"]["properties"]
    assert admin.json("plugins/core.log.Log")["schema"] == found["schema"]
    assert admin.get("plugins/io.kestra.plugin.core.log.Nothing").status_code == 404
    assert admin.json(f"plugins/{LOG}/versions")["versions"] == ["1.3.0"]


def test_icons_are_pictures(admin: Rest) -> None:
    icons = admin.json("plugins/icons")
    assert base64.b64decode(icons[LOG]["icon"]).startswith(b"<svg") and icons[LOG]["flowable"] is False
    assert icons["io.kestra.plugin.core.flow.ForEach"]["flowable"] is True
    assert admin.json(f"plugins/icons/{LOG}") == icons[LOG]
    assert "io.kestra.plugin.core" in admin.json("plugins/icons/groups")


def test_input_types_have_schemas(admin: Rest) -> None:
    names = [one["type"] for one in admin.json("plugins/inputs")]
    assert {"STRING", "FILE", "SECRET"} <= set(names)
    for name in names:
        assert "id" in admin.json(f"plugins/inputs/{name}")["schema"]["properties"]["properties"]
    assert admin.get("plugins/inputs/COLOUR").status_code == 404
    assert admin.get("plugins/schemas/colour").status_code == 404


def test_every_trigger_type_is_listed(admin: Rest) -> None:
    found = admin.json("plugins/triggers")
    assert {one["type"] for one in found["results"]} == set(schemas.types("trigger"))
    assert found["total"] == len(found["results"])
    schedule = next(one for one in found["results"] if one["name"] == "Schedule")
    assert schedule["group"] == "core" and schedule["ee"] is False and schedule["description"]
    assert schedule["icon"] in admin.json("plugins/icons")
    assert len(admin.json("plugins/triggers?size=2")["results"]) == 2
