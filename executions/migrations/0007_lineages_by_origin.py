from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [("executions", "0006_autovacuum_of_hot_tables")]

    operations = [
        migrations.RenameField(model_name="lineage", old_name="correlation_id", new_name="origin"),
    ]
