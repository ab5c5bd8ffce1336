"""Changing a password, by the old one or by a link in an e-mail.

The link is made of the present password and the last sign-in, so either's change ends it; nothing is stored.
"""

import logging
from hashlib import sha256
from smtplib import SMTPException

from django.conf import settings
from django.contrib.auth.tokens import default_token_generator
from django.core.mail import send_mail
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone
from django.utils.encoding import force_bytes
from django.utils.http import urlsafe_base64_encode

from finetuning import audit
from finetuning.errors import Conflict
from finetuning.ids import uuid7
from finetuning.models import User
from finetuning.passwords import tasks
from finetuning.queueing import queue_on_commit
from finetuning.sign_in import client_network, count_attempt

logger = logging.getLogger(__name__)

# In a quarter of an hour: enough for who mistypes, too few to fill somebody's mailbox.
LINKS_PER_ACCOUNT = 3
SUBJECT = "Choose a new password for Attune"
MESSAGE = """\
Somebody, probably you, has forgotten the password of {email} on Attune.

Open this link within an hour and choose a new one. It can be used once:

{link}

If it was not you, ignore this message. Your password stays as it is.
"""


class LinkUsed(Conflict):
    code = "link_used"


@transaction.atomic
def change_password(user: User, *, password: str, kept: str | None) -> None:
    """Set another password, which ends all other sessions and all tokens of the user.

    `kept` is the key of the session that asks.
    """
    user.set_password(password)
    user.save(update_fields=["password"])
    user.end_sign_ins(timezone.now(), kept=kept)
    audit.record("user.password_changed", user)


def ask_for_link(email: str, *, request: HttpRequest, page: str) -> None:
    """Have a link sent to whoever has an account with this e-mail. `page` is the address that it begins with.

    The same is done where there is no account, so that neither the answer nor its time tells which there are.
    Raises TooManySignIns.
    """
    subject = sha256(email.strip().upper().encode()).hexdigest()
    count_attempt(f"link:{client_network(request)}", limit=settings.SIGN_INS_PER_NETWORK)
    count_attempt(f"link:account:{subject}", limit=LINKS_PER_ACCOUNT)
    user = User.objects.filter(email__iexact=email.strip()).first()
    audit.record("user.password_link_asked", user or User())
    queue_on_commit(tasks.send_password_link, user_id=str(user.pk if user else uuid7()), page=page)


def send_password_link(user: User, *, page: str) -> None:
    """E-mail the link. A failure is logged: who asked for it asks again."""
    uid = urlsafe_base64_encode(force_bytes(user.pk))
    link = f"{page}/{uid}/{default_token_generator.make_token(user)}"
    message = MESSAGE.format(email=user.email, link=link)
    try:
        send_mail(SUBJECT, message, settings.DEFAULT_FROM_EMAIL, [user.email])
    except (SMTPException, OSError) as error:
        logger.warning("a link for a new password was not e-mailed to user %s: %s", user.pk, error)


def reset_password(user: User, *, password: str) -> None:
    """Set the password that was chosen by a link; all sessions and all tokens of the user end.

    Raises LinkUsed when the password has changed since the link was opened.
    """
    before = user.password
    user.set_password(password)
    with transaction.atomic():
        if not User.objects.filter(pk=user.pk, password=before).update(password=user.password):
            raise LinkUsed("This link was used a moment ago.")
        user.end_sign_ins(timezone.now())
        audit.record("user.password_reset", user, by=user)
