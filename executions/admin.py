"""Everything of this app in the admin; one file per kind of thing."""

from executions import secrets_admin as secrets_admin
