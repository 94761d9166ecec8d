"""A job lives for milliseconds: compressing its payload costs more than the room it saves."""

from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("executions", "0009_work_and_hints_indexed_apart")]
    operations = [
        migrations.RunSQL(
            "ALTER TABLE worker_jobs SET (toast_tuple_target = 8160)",
            "ALTER TABLE worker_jobs RESET (toast_tuple_target)",
        ),
    ]
