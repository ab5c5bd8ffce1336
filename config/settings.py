"""Settings, read top to bottom. Places differ by environment variables, never by files.

A secret can also be given as a file: `SECRET_KEY_FILE=/run/secrets/key` stands for `SECRET_KEY`.
Every variable is listed in `.env.example`.
"""

import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import django_stubs_ext
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured
from environs import FileAwareEnv, validate
from kombu import Exchange, Queue

from config.storage import s3_storage

# Lets classes of Django be written with their type parameters: `ModelAdmin[Job]`.
django_stubs_ext.monkeypatch()

BASE_DIR = Path(__file__).resolve().parent.parent
env = FileAwareEnv()

# Core

DEBUG = env.bool("DEBUG", False)
SECRET_KEY = env.str("SECRET_KEY", "") or (
    "unsafe-development-key-of-no-value-at-all-1234567890" if DEBUG else ""
)
if len(SECRET_KEY) < 50:
    raise ImproperlyConfigured("Set SECRET_KEY (50 or more random characters), or DEBUG=true on a laptop.")
# The first seals provider keys and other secrets at rest, the others still open what they sealed.
ENCRYPTION_KEYS: list[str] = env.list("ENCRYPTION_KEYS", []) or [SECRET_KEY]
# The first signs the tokens of the API, the others still verify what they signed.
JWT_KEYS: list[str] = env.list("JWT_KEYS", [])
if any(len(key) < 32 for key in JWT_KEYS):
    raise ImproperlyConfigured("Each of JWT_KEYS takes 32 or more random characters; see .env.example.")
JWT_KEYS = JWT_KEYS or [SECRET_KEY]
ALLOWED_HOSTS = env.list("ALLOWED_HOSTS", ["localhost", "127.0.0.1", "[::1]"])
if "*" in ALLOWED_HOSTS and not DEBUG:
    raise ImproperlyConfigured(
        "Name the hosts in ALLOWED_HOSTS: with * links in e-mails lead wherever a caller says."
    )
CSRF_TRUSTED_ORIGINS: list[str] = env.list("CSRF_TRUSTED_ORIGINS", [])
ROOT_URLCONF = "config.urls"
WSGI_APPLICATION = "config.wsgi.application"
ASGI_APPLICATION = "config.asgi.application"
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
APPEND_SLASH = False

INSTALLED_APPS = [
    "config.apps.AttuneAdminConfig",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.staticfiles",
    "csp",
    "django_celery_beat",
    "django_filters",
    "django_htmx",
    "drf_spectacular",
    "drf_spectacular_sidecar",
    "rest_framework",
    "finetuning",
    "datasets",
    "models_registry",
    "jobs",
]

MIDDLEWARE = [
    "finetuning.middleware.RequestIdMiddleware",
    "finetuning.refusals.RefusalMiddleware",
    "finetuning.middleware.MetricsMiddleware",
    "finetuning.middleware.AllowanceMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "finetuning.middleware.CompressedPageMiddleware",
    "csp.middleware.CSPMiddleware",
    "finetuning.middleware.NotStoredMiddleware",
    "config.replica.ReplicaMiddleware",
    "finetuning.middleware.ApiTrailingSlashMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "finetuning.second_factor.middleware.SecondFactorMiddleware",
    "finetuning.tenancy.OrganizationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
]

TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
            ],
        },
    },
]
FORM_RENDERER = "django.forms.renderers.TemplatesSetting"
INSTALLED_APPS.append("django.forms")

# Database

DATABASES = {
    # Under ASGI each request has a thread of its own, whose connection nobody would use again.
    "default": env.dj_db_url("DATABASE_URL", "postgres://attune@127.0.0.1/attune", conn_max_age=0),
}
# A process that is paused, or whose machine is lost, in the middle of a transaction keeps its rows locked.
IDLE_IN_TRANSACTION_SECONDS = env.float("IDLE_IN_TRANSACTION_SECONDS", 60)
DATABASES["default"].setdefault("OPTIONS", {})["options"] = (
    f"-c idle_in_transaction_session_timeout={IDLE_IN_TRANSACTION_SECONDS * 1000:.0f}"
)
# Where locks are held for longer than a transaction, which a pooler of transactions cannot do.
DIRECT_DATABASE_URL = env.str("DIRECT_DATABASE_URL", "")
# A streaming replica, for reads that may lag.
if env.str("REPLICA_DATABASE_URL", ""):
    DATABASES["replica"] = env.dj_db_url("REPLICA_DATABASE_URL", conn_max_age=0)
    DATABASES["replica"].setdefault("OPTIONS", {})["connect_timeout"] = 2
    DATABASES["replica"]["TEST"] = {"MIRROR": "default"}
DATABASE_ROUTERS = ["config.replica.ReplicaRouter"]
# How long a replica that did not answer is left alone.
REPLICA_RETRY_SECONDS = env.float("REPLICA_RETRY_SECONDS", 5)

# Sign-in

AUTH_USER_MODEL = "finetuning.User"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"django.contrib.auth.password_validation.{name}"}
    for name in ("UserAttributeSimilarityValidator", "MinimumLengthValidator", "CommonPasswordValidator")
]
AUTH_PASSWORD_VALIDATORS.append({"NAME": "finetuning.passwords.words.ContextWordsValidator"})
AUTHENTICATION_BACKENDS = ["finetuning.sign_in.LimitedBackend"]
# Whoever has set one up is asked for it anyway.
MEMBERS_NEED_SECOND_FACTOR = env.bool("MEMBERS_NEED_SECOND_FACTOR", False)
OPERATORS_NEED_SECOND_FACTOR = env.bool("OPERATORS_NEED_SECOND_FACTOR", False)
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "finetuning:dashboard"
LOGOUT_REDIRECT_URL = "login"
# How long the link of a forgotten password is good, in seconds; the e-mail says an hour.
PASSWORD_RESET_TIMEOUT = 3600
SESSION_ENGINE = "finetuning.sessions"
SESSION_COOKIE_AGE = timedelta(days=14).total_seconds()
# Over plain HTTP (a laptop) a browser would not send back a secure cookie.
SERVED_OVER_HTTPS = env.bool("SERVED_OVER_HTTPS", not DEBUG)
if DEBUG and SERVED_OVER_HTTPS:
    raise ImproperlyConfigured(
        "DEBUG shows everybody errors in full: take it away where SERVED_OVER_HTTPS is true."
    )
SESSION_COOKIE_SECURE = SERVED_OVER_HTTPS
CSRF_COOKIE_SECURE = SERVED_OVER_HTTPS
# With this prefix a browser takes a cookie from this host alone, not from one beside or below it.
COOKIE_PREFIX = "__Host-" if SERVED_OVER_HTTPS else ""
SESSION_COOKIE_NAME = f"{COOKIE_PREFIX}sessionid"
CSRF_COOKIE_NAME = f"{COOKIE_PREFIX}csrftoken"
SECURE_SSL_REDIRECT = SERVED_OVER_HTTPS
SECURE_HSTS_SECONDS = 31_536_000 if SERVED_OVER_HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SERVED_OVER_HTTPS
SECURE_HSTS_PRELOAD = SERVED_OVER_HTTPS
SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https") if SERVED_OVER_HTTPS else None
X_FRAME_OPTIONS = "DENY"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "connect-src": [SELF],
        "font-src": [SELF],
        "img-src": [SELF, "data:"],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    },
}

# Language and time

LANGUAGE_CODE = "en"
USE_I18N = False
USE_TZ = True
TIME_ZONE = "UTC"
USE_THOUSAND_SEPARATOR = False

# Files: a local folder, or S3 when a bucket is named

MEDIA_ROOT = env.path("MEDIA_ROOT", BASE_DIR / ".data" / "media")
STATIC_URL = "/static/"
STATIC_ROOT = env.path("STATIC_ROOT", BASE_DIR / ".data" / "static")
S3_BUCKET = env.str("S3_BUCKET", "")
STORAGES: dict[str, Any] = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {
        "BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"
        if SERVED_OVER_HTTPS
        else "django.contrib.staticfiles.storage.StaticFilesStorage",
    },
}
if S3_BUCKET:
    STORAGES["default"] = s3_storage(
        bucket=S3_BUCKET,
        endpoint_url=env.str("S3_ENDPOINT_URL", None),
        region=env.str("S3_REGION", None),
        access_key=env.str("S3_ACCESS_KEY", None),
        secret_key=env.str("S3_SECRET_KEY", None),
        encryption=env.str("S3_ENCRYPTION", "AES256"),
    )
WHITENOISE_USE_FINDERS = not SERVED_OVER_HTTPS
UPLOAD_MAX_BYTES = env.int("UPLOAD_MAX_BYTES", 100 * 1024 * 1024)
UPLOAD_SCANNER = env.str("UPLOAD_SCANNER", "")
FILE_UPLOAD_HANDLERS = ["finetuning.uploads.CappedUploadHandler"]
FILE_UPLOAD_PERMISSIONS = 0o600
DATA_UPLOAD_MAX_MEMORY_SIZE = 10 * 1024 * 1024
DATA_UPLOAD_MAX_NUMBER_FILES = 10
# tiktoken would download its ranks at run time; the project ships them.
os.environ.setdefault("TIKTOKEN_CACHE_DIR", str(BASE_DIR / "finetuning" / "tokenizer"))

# Redis: Celery's broker, and a cache that may be flushed at any time

REDIS_URL = env.str("REDIS_URL", "redis://127.0.0.1:6379/0")
CACHES = {
    "default": {
        "BACKEND": "django.core.cache.backends.redis.RedisCache",
        "LOCATION": REDIS_URL,
        "KEY_PREFIX": "attune",
        "OPTIONS": {"socket_connect_timeout": 1, "socket_timeout": 1},
    },
}

# Celery: a message is only a doorbell; what is to be done stands in the rows

POLL_INTERVAL_SECONDS = env.float("POLL_INTERVAL_SECONDS", 60)
# The longest pause between two tries of anything that fails, however often.
MAX_BACK_OFF_SECONDS = env.float("MAX_BACK_OFF_SECONDS", 1800)
CELERY_BROKER_URL = REDIS_URL.replace("unix://", "redis+socket://", 1)
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_BROKER_CONNECTION_MAX_RETRIES = None
CELERY_BROKER_TRANSPORT_OPTIONS = {
    **{"socket_timeout": 5, "socket_connect_timeout": 2},
    # Else a request that rings while the broker is away waits eight seconds for it to come back.
    **{"max_retries": 1, "interval_start": 0},
}
# With the broker down, accepting a request must not hang: the sweep finds the row anyway.
CELERY_TASK_PUBLISH_RETRY = False
CELERY_TASK_IGNORE_RESULT = True
# Celery would close the connection before and after each task; `config.celery` looks after it.
CELERY_DB_REUSE_MAX = 2**63
# Steps of jobs never wait behind a large file. A worker that is given no --queues takes from all of them.
CELERY_TASK_DEFAULT_QUEUE = "fast"
CELERY_TASK_QUEUES = [Queue(name, Exchange(name), routing_key=name) for name in ("fast", "ingest", "gateway")]
CELERY_TASK_ROUTES = {
    "datasets.tasks.*": {"queue": "ingest"},
    "finetuning.passwords.tasks.*": {"queue": "gateway"},
    "finetuning.webhooks.tasks.*": {"queue": "gateway"},
    "models_registry.tasks.*": {"queue": "gateway"},
}
CELERY_TASK_TIME_LIMIT = env.int("TASK_TIME_LIMIT_SECONDS", 1800)
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TIMEZONE = TIME_ZONE
# Else Beat writes down for minutes after when it last sent an entry.
CELERY_BEAT_SYNC_EVERY = 1
CELERY_BEAT_SCHEDULER = "config.beat:Scheduler"
CELERY_BEAT_SCHEDULE: dict[str, dict[str, Any]] = {
    name: {"task": name, "schedule": POLL_INTERVAL_SECONDS, "options": {"expires": POLL_INTERVAL_SECONDS}}
    for name in (
        "jobs.tasks.advance_due_jobs",
        "datasets.tasks.validate_due_datasets",
        "finetuning.webhooks.tasks.deliver_due_webhooks",
        "finetuning.tasks.compact_stats",
    )
}
CELERY_BEAT_SCHEDULE |= {
    name: {"task": name, "schedule": period}
    for name, period in {
        "finetuning.tasks.delete_expired_sessions": timedelta(days=1),
        "finetuning.tasks.delete_expired_token_families": timedelta(days=1),
        "finetuning.tasks.delete_old_counters_and_answers": timedelta(hours=1),
        "finetuning.webhooks.tasks.delete_old_webhook_deliveries": timedelta(days=1),
        "jobs.tasks.delete_old_notices": timedelta(days=1),
        "models_registry.tasks.delete_expired_conversations": timedelta(days=1),
        "models_registry.tasks.forget_usage_batches": timedelta(days=1),
    }.items()
}

# Providers

# Told apart from a copy of the whole database server; see `manage.py confirm_installation`.
INSTALLATION_NAME = env.str("INSTALLATION_NAME", "")
SANDBOX_URL = env.str("SANDBOX_URL", "")
# Read once, when the first owner is made; later accounts are added under Settings.
OPENAI_API_KEY = env.str("OPENAI_API_KEY", "")
OPENAI_BASE_URL = env.str("OPENAI_BASE_URL", "")
OPENAI_BASE_MODELS: list[str] = env.list("OPENAI_BASE_MODELS", [])
# Where an organization's admins may point a provider account: hosts, or all below one as `*.example.com`.
PROVIDER_ALLOWED_HOSTS: list[str] = env.list("PROVIDER_ALLOWED_HOSTS", []) or [
    *("api.openai.com", "*.api.openai.com", "*.openai.azure.com", "api.tokenfactory.nebius.com")
]
PROVIDER_TIMEOUT_SECONDS = env.float("PROVIDER_TIMEOUT_SECONDS", 60)
# A lease outlives the longest single call, so that nobody starts a second one beside it.
JOB_LEASE_SECONDS = 2 * PROVIDER_TIMEOUT_SECONDS + 10
# For each account, by all workers together.
PROVIDER_CALLS_PER_MINUTE = env.int("PROVIDER_CALLS_PER_MINUTE", 1000)
# How long a create whose answer was lost is looked for before it may be sent again.
CREATE_SETTLE_SECONDS = env.float("CREATE_SETTLE_SECONDS", 600)

# The gateway: what applications call

# Where calls are written before their answer ends, until they are in the database. Survives a restart, or the
# calls of the last second are not counted; the processes of one machine may share it.
GATEWAY_FOLDER = Path(env.str("GATEWAY_FOLDER", "") or MEDIA_ROOT.parent / "usage")
# For each step: to the first byte of an answer, and from one byte to the next.
GATEWAY_TIMEOUT_SECONDS = env.float("GATEWAY_TIMEOUT_SECONDS", 600)
GATEWAY_MAX_BODY_BYTES = env.int("GATEWAY_MAX_BODY_BYTES", 50 * 1024 * 1024)

# Outgoing webhooks

# For one delivery from the connection to the end of the answer, however slowly that comes.
WEBHOOK_TIMEOUT_SECONDS = env.float("WEBHOOK_TIMEOUT_SECONDS", 15)
# Networks that webhooks may reach although they are not public. Empty: the internet only.
WEBHOOK_ALLOWED_NETWORKS: list[str] = env.list("WEBHOOK_ALLOWED_NETWORKS", [])

# Limits. Those by the hour count rows, the one by the minute counts requests in Redis

UPLOADS_PER_HOUR = env.int("UPLOADS_PER_HOUR", 10, validate=validate.Range(min=1))
VERSIONS_PER_HOUR = env.int("VERSIONS_PER_HOUR", 60, validate=validate.Range(min=1))
JOBS_PER_HOUR = env.int("JOBS_PER_HOUR", 5, validate=validate.Range(min=1))
REQUESTS_PER_MINUTE = env.int("REQUESTS_PER_MINUTE", 100, validate=validate.Range(min=1))
# Failed sign-ins in a quarter of an hour, for one account and from one network.
SIGN_INS_PER_ACCOUNT = env.int("SIGN_INS_PER_ACCOUNT", 10, validate=validate.Range(min=1))
SIGN_INS_PER_NETWORK = env.int("SIGN_INS_PER_NETWORK", 50, validate=validate.Range(min=1))
# How many proxies of our own stand in front: so many last entries of X-Forwarded-For are believed.
TRUSTED_PROXIES = env.int("TRUSTED_PROXIES", 0, validate=validate.Range(min=0))

# REST API

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "finetuning.api.authentication.OrganizationJWTAuthentication",
        "finetuning.api.authentication.OrganizationSessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": ["finetuning.api.permissions.RolePermission"],
    "DEFAULT_PARSER_CLASSES": ["finetuning.api.parsers.StrictJSONParser"],
    "DEFAULT_RENDERER_CLASSES": [
        "rest_framework.renderers.JSONRenderer",
        "finetuning.api.browsable.BrowsableApi",
    ],
    "DEFAULT_PAGINATION_CLASS": "finetuning.api.pagination.CursorPage",
    "DEFAULT_THROTTLE_CLASSES": ["finetuning.api.throttling.OrganizationThrottle"],
    "DEFAULT_SCHEMA_CLASS": "finetuning.api.operations.ApiSchema",
    "EXCEPTION_HANDLER": "finetuning.api.errors.exception_handler",
    "COERCE_DECIMAL_TO_STRING": False,
    "DEFAULT_CONTENT_NEGOTIATION_CLASS": "finetuning.api.negotiation.AcceptHeader",
    # What an answer is made of, `Accept` says; a `format` in the query is a parameter that nobody knows.
    "URL_FORMAT_OVERRIDE": None,
}
SIMPLE_JWT = {
    "ACCESS_TOKEN_LIFETIME": timedelta(minutes=10),
    "REFRESH_TOKEN_LIFETIME": timedelta(days=7),
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Attune",
    "DESCRIPTION": "Fine-tune language models as a team: datasets, jobs, models.",
    "VERSION": "1.0.0",
    "OAS_VERSION": "3.1.1",
    "SERVE_INCLUDE_SCHEMA": False,
    # The description is public, so a token or session that does not count must not be asked about.
    "SERVE_AUTHENTICATION": [],
    "SWAGGER_UI_DIST": "SIDECAR",
    "SWAGGER_UI_FAVICON_HREF": "SIDECAR",
    "REDOC_DIST": "SIDECAR",
    "COMPONENT_SPLIT_REQUEST": True,
    "SCHEMA_PATH_PREFIX": "/api/",
    "ENUM_NAME_OVERRIDES": {
        "DatasetStatus": "datasets.models.Dataset.Status",
        "DatasetFormat": "datasets.models.Dataset.Format",
        "DatasetSource": "datasets.models.Dataset.Source",
        "DatasetEditKind": "datasets.models.DatasetEdit.Kind",
        "DatasetChangeKind": "datasets.models.DatasetChange.Kind",
        "ExportKind": "datasets.api.conversation_serializers.EXPORT_KINDS",
        "ProblemSeverity": "datasets.models.DatasetProblem.Severity",
        "JobStatus": "jobs.api.serializers.STATUSES",
        "TrainingMethod": "jobs.api.serializers.METHODS",
        "ModelStatusChoice": "models_registry.api.serializers.CHOOSABLE_STATUSES",
        "ModelStatus": "models_registry.models.FineTunedModel.Status",
        "Role": "finetuning.models.Role",
        "ProviderKind": "finetuning.models.ProviderAccount.Kind",
        "ProviderHealth": "finetuning.api.provider_accounts.HEALTH",
        "WebhookDeliveryStatus": "finetuning.api.webhooks.STATUSES",
        "WebhookEventType": "finetuning.api.webhooks.EVENT_TYPES",
    },
    "POSTPROCESSING_HOOKS": [
        "drf_spectacular.hooks.postprocess_schema_enums",
        "finetuning.api.statuses.add_responses",
        "finetuning.api.statuses.close_bodies",
    ],
}

# E-mail: invitations and links for forgotten passwords. Without EMAIL_URL none is sent: pages say so.

EMAIL_IS_SENT = bool(env.str("EMAIL_URL", ""))
EMAIL_BACKEND = "django.core.mail.backends.dummy.EmailBackend"
if EMAIL_IS_SENT:
    vars().update(env.dj_email_url("EMAIL_URL"))
EMAIL_TIMEOUT = 10
DEFAULT_FROM_EMAIL = env.str("EMAIL_FROM", "attune@localhost")

# Observability: logs on standard error, one line each; metrics for Prometheus

LOG_FORMAT = env.str("LOG_FORMAT", "text", validate=validate.OneOf(["text", "json"]))
METRICS_TOKEN = env.str("METRICS_TOKEN", "")
# Where OpenTelemetry sends traces (OTLP over HTTP). Empty: there are none.
TRACES_ENDPOINT = env.str("OTEL_EXPORTER_OTLP_ENDPOINT", "")
LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "filters": {
        "context": {"()": "finetuning.log_context.ContextFilter"},
        "links": {"()": "finetuning.refusals.LinkFilter"},
    },
    "formatters": {
        "text": {"format": "%(asctime)s %(levelname)s %(name)s %(message)s%(context)s"},
        "json": {
            "()": "pythonjsonlogger.json.JsonFormatter",
            "fmt": "%(asctime)s %(levelname)s %(name)s %(message)s",
            "rename_fields": {"asctime": "time", "levelname": "level", "name": "logger"},
        },
    },
    "handlers": {
        "stderr": {"class": "logging.StreamHandler", "formatter": LOG_FORMAT, "filters": ["context"]},
    },
    "root": {"handlers": ["stderr"], "level": env.str("LOG_LEVEL", "INFO")},
    "loggers": {
        # A line for each request to a provider would drown the rest.
        "httpx2": {"level": "WARNING"},
        # Below that it tells of each refusal once more.
        "django.request": {"level": "ERROR", "filters": ["links"]},
        "django.security.csrf": {"filters": ["links"]},
    },
}
