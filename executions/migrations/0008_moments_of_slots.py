from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("executions", "0007_lineages_by_origin")]

    operations = [
        migrations.AddField(model_name="concurrencylimit", name="last", field=models.DateTimeField(null=True)),
    ]
