"""Inviting somebody, and accepting.

The token is in the answer and in the e-mail, and nowhere else: the row holds its digest.
"""

import logging
from functools import partial
from smtplib import SMTPException

from django.conf import settings
from django.contrib.auth.password_validation import validate_password
from django.core.exceptions import ValidationError
from django.core.mail import send_mail
from django.db import IntegrityError, transaction
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from finetuning import audit
from finetuning.errors import Conflict, Forbidden, Invalid, NotFound
from finetuning.members.services import RoleTooLow, check_may_manage, roles_to_invite
from finetuning.models import Invitation, Membership, Organization, Role, User
from finetuning.models.invitations import GOOD_FOR, digest_of, new_token
from finetuning.passwords.words import refuse_words

logger = logging.getLogger(__name__)

# An organization cannot be used to send e-mail to the whole world.
MAX_OPEN_INVITATIONS = 100
MESSAGE = """\
{inviter} invites you to work in {organization} on Attune, in the role {role}.

Open this link within {days} days. It can be used once, by you only:

{link}

If you do not know {inviter}, ignore this message.
"""


class AlreadyMember(Conflict):
    code = "already_member"


class TooManyInvitations(Conflict):
    code = "too_many_invitations"


class InvitationNotValid(NotFound):
    code = "invitation_not_valid"


class InvitedSomebodyElse(Forbidden):
    code = "invited_somebody_else"


class PasswordTooWeak(Invalid):
    code = "password_too_weak"


class AccountExists(Conflict):
    code = "account_exists"


def invite_member(
    organization: Organization, *, by: Membership, email: str, role: Role, page: str
) -> tuple[Invitation, str]:
    """A new invitation, and its link, which is to be shown now. An open one for this e-mail is replaced.

    `page` is the address of the page that accepts, to which the token is added. With e-mail set up the link
    is sent after the commit; `emailed_at` tells whether that went well. Raises RoleTooLow, AlreadyMember or
    TooManyInvitations.
    """
    email, token, now = User.objects.normalize_email(email), new_token(), timezone.now()
    with transaction.atomic():
        organization.lock()
        by.refresh_from_db(fields=["role"])
        check_may_manage(by)
        if role not in roles_to_invite(by):
            raise RoleTooLow("Only an owner makes owners.", pointer="/role")
        if organization.memberships.filter(user__email__iexact=email).exists():
            raise AlreadyMember(f"{email} is a member already.", pointer="/email")
        organization.invitations.filter(email__iexact=email).revoke(now=now)
        if organization.invitations.usable(now).count() >= MAX_OPEN_INVITATIONS:
            raise TooManyInvitations(f"{MAX_OPEN_INVITATIONS} invitations are open. Revoke some first.")
        invitation = organization.invitations.create(
            email=email,
            role=role,
            token_digest=digest_of(token),
            created_by=by.user,
            created_at=now,
            expires_at=now + GOOD_FOR,
        )
        audit.record("invitation.created", invitation, before={})
        transaction.on_commit(partial(send_invitation, invitation, link=page + token), robust=True)
    return invitation, page + token


def accept_page(request: HttpRequest) -> str:
    """The address to which the token is added, at the host of the request."""
    return request.build_absolute_uri(reverse("invitation", args=["-"])).removesuffix("-")


def send_invitation(invitation: Invitation, *, link: str) -> None:
    """E-mail the link, where e-mail is set up. A failure is logged; the link can be passed on by hand."""
    if not settings.EMAIL_IS_SENT:
        return
    inviter = invitation.created_by.display_name if invitation.created_by else "A member"
    organization = invitation.organization.name
    message = MESSAGE.format(
        inviter=inviter, organization=organization, role=invitation.role, days=GOOD_FOR.days, link=link
    )
    # A header is one line, whatever stands in a name.
    subject = " ".join(f"{inviter} invites you to {organization}".split())
    try:
        send_mail(subject, message, settings.DEFAULT_FROM_EMAIL, [invitation.email])
    except (SMTPException, OSError) as error:
        logger.warning("the invitation %s was not e-mailed: %s", invitation.pk, error)
        return
    invitation.emailed_at = timezone.now()
    invitation.save(update_fields=["emailed_at"])


def find_invitation(token: str) -> Invitation:
    """The invitation that can be accepted with `token`. Raises InvitationNotValid."""
    usable = Invitation.objects.usable(timezone.now()).select_related("organization", "created_by")
    invitation = usable.filter(token_digest=digest_of(token)).first()
    if invitation is None:
        raise InvitationNotValid(
            "This invitation was used or revoked, or has expired. Ask for a new one.", pointer="/token"
        )
    return invitation


def find_invited_user(invitation: Invitation) -> User | None:
    """The user with the invited e-mail, also a deactivated one; None when it is new here."""
    return User.objects.filter(email__iexact=invitation.email).first()


def accept_invitation(invitation: Invitation, *, user: User) -> Membership:
    """Make the signed-in `user` a member, and use the invitation up.

    Raises InvitedSomebodyElse, InvitationNotValid when somebody was faster, or AlreadyMember.
    """
    if user.email.lower() != invitation.email.lower():
        raise InvitedSomebodyElse(
            f"The invitation is for {invitation.email}. You are signed in as {user.email}."
        )
    with transaction.atomic():
        _use_up(invitation)
        membership, is_new = user.memberships.get_or_create(
            organization=invitation.organization, defaults={"role": invitation.role}
        )
        if not is_new:
            raise AlreadyMember("You are a member already.")
        audit.record("member.joined", membership, before={}, by=user)
    return membership


def accept_as_new_user(invitation: Invitation, *, password: str, name: str = "") -> Membership:
    """Make a user with the invited e-mail and `password`, and a member of them.

    Raises PasswordTooWeak, AccountExists when the e-mail has an account, or InvitationNotValid.
    """
    user = User(email=invitation.email, first_name=name)
    try:
        validate_password(password, user)
        refuse_words(password, invitation.organization.name)
    except ValidationError as error:
        raise PasswordTooWeak(" ".join(error.messages), pointer="/password") from error
    # Takes a good part of a second, so it is done before anything is locked.
    user.set_password(password)
    try:
        with transaction.atomic():
            _use_up(invitation)
            user.save(force_insert=True)
            membership = user.memberships.create(organization=invitation.organization, role=invitation.role)
            audit.record("member.joined", membership, before={}, by=user)
    except IntegrityError as error:
        raise AccountExists(
            f"{invitation.email} has an account. Sign in, then open the link again."
        ) from error
    return membership


@transaction.atomic
def revoke_invitation(invitation: Invitation) -> None:
    """Make its link good for nothing. Without effect when it was used or revoked already."""
    if Invitation.objects.filter(pk=invitation.pk).revoke(now=timezone.now()):
        audit.record("invitation.revoked", invitation)


def _use_up(invitation: Invitation) -> None:
    """Of several who accept at the same moment one gets through; the others raise InvitationNotValid."""
    if not Invitation.objects.filter(pk=invitation.pk).accept(now=timezone.now()):
        raise InvitationNotValid(
            "This invitation was just used or revoked. Ask for a new one.", pointer="/token"
        )
