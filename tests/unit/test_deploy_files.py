"""The files of `docs/deploy` name what exists: commands, folders, settings. No container engine is needed for that."""

import configparser
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from django.core.management import get_commands

ROOT = Path(__file__).resolve().parent.parent.parent
DEPLOY = ROOT / "docs" / "deploy"
SETTINGS = (ROOT / "docs" / "operations.md").read_text()


@pytest.fixture(scope="module")
def compose() -> Any:
    return yaml.safe_load((DEPLOY / "compose.yaml").read_text())


def own(compose: Any) -> dict[str, Any]:
    return {name: one for name, one in compose["services"].items() if one["image"] == "celesta"}


def test_every_service_runs_a_command_that_exists(compose: Any) -> None:
    commands = {name: one["command"][0] for name, one in own(compose).items()}
    assert set(commands) == {"prepare", "executor", "worker", "web"}
    assert set(commands.values()) <= set(get_commands())


def test_every_variable_of_the_services_is_a_documented_setting(compose: Any) -> None:
    for name, one in own(compose).items():
        unknown = [variable for variable in one["environment"] if f"`{variable}`" not in SETTINGS]
        assert unknown == [], name


def test_every_volume_and_service_that_is_named_is_there(compose: Any) -> None:
    for name, one in compose["services"].items():
        assert {volume.partition(":")[0] for volume in one.get("volumes", ())} <= set(compose["volumes"]), name
        assert set(one.get("depends_on", ())) <= set(compose["services"]), name
        if "build" in one:
            assert (DEPLOY / one["build"]["context"] / one["build"]["dockerfile"]).is_file()


def test_the_image_holds_every_package_and_nothing_that_is_not_there() -> None:
    copied = re.findall(r"^COPY (\S+)", (DEPLOY / "Dockerfile").read_text(), re.MULTILINE)
    assert all((ROOT / source).exists() for source in copied)
    packages = {init.parent.name for init in ROOT.glob("*/__init__.py")} - {"tests"}
    assert {"manage.py", "requirements.txt", *packages} <= set(copied)


def test_the_unit_runs_the_commands_that_its_head_names() -> None:
    text = (DEPLOY / "systemd" / "celesta@.service").read_text()
    unit = configparser.RawConfigParser(strict=False)
    unit.read_string(text)
    assert unit["Service"]["ExecStart"].endswith("manage.py run_%i")
    kinds = set(re.findall(r"celesta@(\w+)", text))
    assert kinds and {f"run_{kind}" for kind in kinds} <= set(get_commands())
