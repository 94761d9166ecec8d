"""Django's settings, all from environment variables with working defaults. Importing them starts nothing."""

from pathlib import Path
from typing import Any

from orchestrator_site import environment, postgres
from orchestrator_site.administration import UNFOLD as UNFOLD
from orchestrator_site.openapi_parts import COMPONENTS

BASE_DIR = Path(__file__).resolve().parent.parent
CELESTA = environment.read()

SECRET_KEY = CELESTA.secret_key
DEBUG = False
ALLOWED_HOSTS = ["localhost", "127.0.0.1", "[::1]", CELESTA.host, *CELESTA.allowed_hosts]
if CELESTA.public_host not in ALLOWED_HOSTS:
    ALLOWED_HOSTS.append(CELESTA.public_host)
CSRF_TRUSTED_ORIGINS = [CELESTA.public_url]

# What only those who answer people need: an executor or a worker is a sixth smaller without it.
_APPS_OF_THE_WEB = [
    "unfold",
    "django.contrib.admin",
    "django.contrib.humanize",
    "django.contrib.messages",
    "django.contrib.sessions",
    "django.contrib.staticfiles",
    "rest_framework",
    "drf_spectacular",
    "django_filters",
    "channels",
    "django_eventstream",
]

INSTALLED_APPS = [
    "orchestrator_site",
    *([] if environment.is_engine_only() else _APPS_OF_THE_WEB),
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.postgres",
    "flows",
    "executions",
    "executor",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "orchestrator_site.compress.Compress",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "orchestrator_site.no_nul.NoNul",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "orchestrator_site.audit.Audit",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "orchestrator_site.csp.ContentSecurityPolicy",
]

ROOT_URLCONF = "orchestrator_site.urls"
ASGI_APPLICATION = "orchestrator_site.asgi.application"
APPEND_SLASH = False

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [
            BASE_DIR / "orchestrator_site" / "templates",
            BASE_DIR / "executions" / "pages" / "templates",
            BASE_DIR / "flows" / "pages" / "templates",
        ],
        "APP_DIRS": True,
        "OPTIONS": {
            "builtins": ["flows.pages.tags"],
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]

# One database for everything; each thread holds a connection of its own.
_database = postgres.configured()
DATABASE_DSN = _database.conninfo
DATABASE_DIRECT_DSN = _database.direct_conninfo
DATABASES: dict[str, dict[str, Any]] = {
    "default": {
        "ENGINE": "django.db.backends.postgresql",
        **_database.django,
        "CONN_MAX_AGE": 600,
        "CONN_HEALTH_CHECKS": True,
    }
}
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
LOGIN_URL = "/login"
LOGIN_REDIRECT_URL = "/"
LOGOUT_REDIRECT_URL = "/login"
SESSION_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = CELESTA.public_url.startswith("https://")
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
X_FRAME_OPTIONS = "DENY"
# Redirects and preload lists are the proxy's business; without TLS `celesta.W001` says what matters.
SILENCED_SYSTEM_CHECKS = ["security.W005", "security.W008", "security.W021"]
if CELESTA.public_url.startswith("https://"):
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    SECURE_HSTS_SECONDS = 365 * 24 * 3600
else:
    SILENCED_SYSTEM_CHECKS += ["security.W004", "security.W012", "security.W016"]

LANGUAGE_CODE = "en-us"
TIME_ZONE = environment.time_zone()
USE_I18N = True
FORMAT_MODULE_PATH = "orchestrator_site.formats"
USE_TZ = True

STATIC_URL = "/static/"
STATICFILES_DIRS = [
    folder
    for folder in (
        BASE_DIR / "orchestrator_site" / "static",
        BASE_DIR / "executions" / "pages" / "static",
        BASE_DIR / "flows" / "pages" / "static",
    )
    if folder.is_dir()
]
WHITENOISE_USE_FINDERS = True  # served from where they are: nothing to collect before a start
WHITENOISE_AUTOREFRESH = False

# What a request may hold beside its files; the files go to disk.
DATA_UPLOAD_MAX_MEMORY_SIZE = max(16 * 1024 * 1024, 2 * CELESTA.message_limit_bytes)
DATA_UPLOAD_MAX_NUMBER_FIELDS = 5_000

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "executions.api.auth.HeaderAuthentication",
        "executions.api.auth.CookieAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["executions.api.auth.NamespacePermission"],
    "DEFAULT_RENDERER_CLASSES": ["orchestrator_site.rendering.JsonRenderer"],
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "orchestrator_site.rendering.OneForm",
    "DEFAULT_SCHEMA_CLASS": "orchestrator_site.openapi.Describing",
    "DEFAULT_FILTER_BACKENDS": ["django_filters.rest_framework.DjangoFilterBackend"],
    "EXCEPTION_HANDLER": "orchestrator_site.rest.exception_handler",
    "UNAUTHENTICATED_USER": "django.contrib.auth.models.AnonymousUser",
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Celesta",
    "DESCRIPTION": "Declarative workflow orchestration: flows in YAML, Kestra's REST API.",
    "VERSION": "1.3",
    "SERVE_INCLUDE_SCHEMA": False,
    "PREPROCESSING_HOOKS": ["orchestrator_site.openapi.one_dialect"],
    "APPEND_COMPONENTS": COMPONENTS,
    "SECURITY": [{"basic": []}, {"token": []}, {"session": []}],
    "ENUM_GENERATE_CHOICE_DESCRIPTION": False,
}

# The layer only carries "changed" notes between sockets of one process; see executions.live.
CHANNEL_LAYERS = {"default": {"BACKEND": "channels.layers.InMemoryChannelLayer", "CONFIG": {"capacity": 10_000}}}

# Celery carries job ids and attempt tokens, never results: worker_jobs is the truth about work in flight.
CELERY_BROKER_URL = CELESTA.broker_url or "celesta://"
CELERY_ACCEPT_CONTENT = ["json"]
CELERY_TASK_SERIALIZER = "json"
CELERY_TASK_IGNORE_RESULT = True
CELERY_RESULT_BACKEND = None
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = True
CELERY_TASK_DEFAULT_QUEUE = "default"
CELERY_TASK_SEND_SENT_EVENT = False
CELERY_WORKER_SEND_TASK_EVENTS = False
CELERY_WORKER_ENABLE_REMOTE_CONTROL = False
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_WORKER_POOL = CELESTA.worker_pool
CELERY_WORKER_CONCURRENCY = CELESTA.worker_concurrency
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None  # for ever: jobs are safe in the database meanwhile
CELERY_WORKER_CANCEL_LONG_RUNNING_TASKS_ON_CONNECTION_LOSS = False
# One message at a time per free thread; Redis need not emulate acknowledgements: the sweeper rings lost jobs again.
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_BROKER_TRANSPORT_OPTIONS = (
    {"ack_emulation": False, "socket_connect_timeout": 5, "socket_timeout": 10}
    if (CELESTA.broker_url or "").startswith("redis")
    else {}
)
# Where the executor layer finds the application.
CELERY_APP = "orchestrator_site.celery:app"

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "plain": {"format": "{asctime} {levelname} {name}: {message}", "style": "{"},
        "json": {"()": "orchestrator_site.logs.formatter"},
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": CELESTA.log_format}},
    "root": {"handlers": ["console"], "level": "INFO"},
    "loggers": {
        "uvicorn.error": {"level": "WARNING"},  # its start and stop are told by the supervisor
        "django.server": {"handlers": ["console"], "level": "WARNING", "propagate": False},
    },
}
