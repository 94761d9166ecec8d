"""A Django project of somebody else's that starts flows: what docs/from_python.md tells is all that it needs."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SNIPPETS = re.findall(r"```python\n(.*?)```", (ROOT / "docs" / "from_python.md").read_text(), re.DOTALL)
SETTINGS = """import os
from psycopg.conninfo import conninfo_to_dict

facts = conninfo_to_dict(os.environ["DATABASE_URL"])
SECRET_KEY = "somebody else's"
USE_TZ = True
INSTALLED_APPS = ["django.contrib.auth", "django.contrib.contenttypes"]
DATABASES = {
    "default": {
        "ENGINE": "django.db.backends.postgresql", "NAME": facts["dbname"], "HOST": facts["host"],
        "PORT": facts["port"], "USER": facts["user"], "PASSWORD": facts.get("password", ""),
    }
}
"""
PROGRAM = """import django
django.setup()
from django.core.management import call_command
from flows import catalog

call_command("check")
call_command("migrate", verbosity=0)
catalog.create("id: order\\nnamespace: company.shop\\ninputs: [{id: order_id, type: INT}]\\n"
               "tasks: [{id: a, type: core.log.Log, message: x}]")

class Order:
    id = 7
    def save(self): pass

order = Order()
%s
execution_id = execution.id
%s
assert (execution.id, execution.state.value, execution.inputs) == (execution_id, "CREATED", {"order_id": 7})
assert {"key": "customer", "value": "4711"} in execution.labels

gone = []
try:
    with transaction.atomic():
        gone.append(trigger("company.shop", "order", {"order_id": 8}).id)
        raise KeyError
except KeyError:
    assert store.load(database.current(), gone[0]) is None
print("done")
"""


def test_it_starts_flows_in_its_own_transactions(process_environment: dict[str, str], tmp_path: Path) -> None:
    starting, reading, settings, _ = SNIPPETS
    (tmp_path / "mysite.py").write_text(SETTINGS + settings)
    ended = subprocess.run(
        [sys.executable, "-W", "error", "-c", PROGRAM % (starting, reading)],
        cwd=tmp_path,
        env={**process_environment, "DJANGO_SETTINGS_MODULE": "mysite", "PYTHONPATH": f"{ROOT}:{tmp_path}"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ended.returncode, ended.stdout.splitlines()[-1:]) == (0, ["done"]), ended.stderr[-2000:]


def test_celesta_runs_with_settings_that_begin_with_its_own(
    process_environment: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "mysite.py").write_text(SNIPPETS[3])
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "__init__.py").touch()
    code = (
        "import django; django.setup(); from django.apps import apps; from django.conf import settings;"
        " print(apps.is_installed('shop'), settings.CELERY_APP)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", code],
        cwd=tmp_path,
        env={**process_environment, "DJANGO_SETTINGS_MODULE": "mysite", "PYTHONPATH": f"{ROOT}:{tmp_path}"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.stdout.split() == ["True", "orchestrator_site.celery:app"], ended.stderr[-2000:]
