"""What the editor offers: every type and property is explained, whichever plugin it belongs to."""

from typing import Any

import pytest

from flows.pages import completion


def unexplained(properties: dict[str, Any], place: str) -> list[str]:
    found = []
    for name, one in properties.items():
        if not one["doc"]:
            found.append(f"{place}.{name}")
        found += unexplained(one.get("inside", {}), f"{place}.{name}")
    return found


@pytest.mark.parametrize("kind", ["tasks", "triggers", "inputs"])
def test_every_type_and_every_property_is_explained(kind: str) -> None:
    types = completion.words()[kind]
    assert types
    assert [name for name, one in types.items() if not one["doc"]] == []
    assert [place for name, one in types.items() for place in unexplained(one["properties"], name)] == []


def test_every_property_of_a_flow_is_explained() -> None:
    assert unexplained(completion.words()["flow"], "flow") == []
