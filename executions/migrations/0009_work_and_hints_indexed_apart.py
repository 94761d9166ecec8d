"""Taking an execution's work must not walk through the thousands of hints that a long one leaves before it ends."""

from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("executions", "0008_moments_of_slots")]
    operations = [
        migrations.RemoveIndex("queuemessage", "queues_execution"),
        migrations.AddIndex(
            "queuemessage",
            models.Index(
                fields=["execution_id"], condition=models.Q(stream=False), name="queues_work_of_execution"
            ),
        ),
        migrations.AddIndex(
            "queuemessage",
            models.Index(
                fields=["execution_id", "id"], condition=models.Q(stream=True), name="queues_hints_of_execution"
            ),
        ),
    ]
