"""Rows of `audit` cannot be changed; only a purge that says so may delete old ones."""

from django.db import migrations

CREATE = """
CREATE FUNCTION audit_is_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'DELETE' AND current_setting('celesta.purge_audit', true) = 'on' THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION 'the audit log is append-only' USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE ON audit
FOR EACH ROW EXECUTE FUNCTION audit_is_append_only();
"""
DROP = "DROP TRIGGER audit_append_only ON audit; DROP FUNCTION audit_is_append_only();"


class Migration(migrations.Migration):
    dependencies = [("executions", "0004_secrets")]
    operations = [migrations.RunSQL(CREATE, DROP)]
