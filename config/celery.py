"""The Celery application. The Beat schedule is in settings."""

import os

from celery import Celery

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "config.settings")

app = Celery("attune")
app.config_from_object("django.conf:settings", namespace="CELERY")
app.autodiscover_tasks()
# A package of an app, which the line above does not look into.
app.autodiscover_tasks(["finetuning.webhooks"])
