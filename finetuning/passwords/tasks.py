"""Tasks around the services of the same names."""

from typing import Any

from celery import shared_task

from finetuning.models import User
from finetuning.passwords import services


@shared_task
def send_password_link(*, user_id: str, page: str, **_: Any) -> None:
    """The id is of nobody where the e-mail has no account."""
    user = User.objects.filter(pk=user_id, is_active=True).first()
    if user is not None and user.has_usable_password():
        services.send_password_link(user, page=page)
