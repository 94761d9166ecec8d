"""What a new installation gets: an administrator and the example flows."""

import secrets
from pathlib import Path

from django.conf import settings
from django.contrib.auth.models import User
from django.core.management import call_command

from flows.models import FlowRecord

EXAMPLES = Path(settings.BASE_DIR) / "flows" / "examples"


def ensure_administrator() -> str | None:
    """The random password when one was made: it is known to nobody else and stored hashed only."""
    wanted, given = settings.CELESTA.admin_username, settings.CELESTA.admin_password
    user = User.objects.filter(username=wanted).first()
    if user is None:
        if given is None and User.objects.filter(is_superuser=True, is_active=True).exists():
            return None
        password = given or secrets.token_urlsafe(12)
        User.objects.create_superuser(wanted, password=password)
        return None if given else password
    if given is not None and not user.check_password(given):
        user.set_password(given)
        user.save(update_fields=["password"])
    return None


def load_examples() -> bool:
    """Only where no flow was ever saved: examples that were deleted stay deleted."""
    if FlowRecord.objects.exists():
        return False
    call_command("import_flows", str(EXAMPLES), verbosity=0)
    return True
