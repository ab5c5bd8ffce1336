"""The product's own settings with the linter of migrations, which wants to be an installed app."""

from config.settings import *  # noqa: F403

INSTALLED_APPS = [*INSTALLED_APPS, "django_migration_linter"]  # noqa: F405
