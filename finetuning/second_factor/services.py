"""Setting up a second factor, showing it, taking it away, and forgetting one that was lost."""

from urllib.parse import urlencode

from django.conf import settings
from django.db import transaction
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone

from finetuning import audit
from finetuning.errors import Invalid
from finetuning.models import SecondFactor, SignInCounter, User
from finetuning.sign_in import count_attempt

# Which factor this session has shown, by the time of its confirmation: one that was set up anew is another.
SESSION_KEY = "second_factor_confirmed_at"


class WrongCode(Invalid):
    code = "wrong_code"


class WrongPassword(Invalid):
    code = "wrong_password"


def find_factor(user: User) -> SecondFactor | None:
    """The user's, also one that was not confirmed yet."""
    return SecondFactor.objects.select_related("user").filter(user=user).first()


def begin_factor(user: User) -> SecondFactor:
    """A factor with a secret for the user's app; the one that there is, where there is one."""
    factor = SecondFactor(user=user)
    factor.draw_secret()
    found, _ = SecondFactor.objects.get_or_create(user=user, defaults={"sealed_secret": factor.sealed_secret})
    return found


def ask_for_factor(user: User, *, password: str) -> None:
    """Begin one for whoever knows the password: a session that was left open, or stolen, does not do.

    Raises WrongPassword, or TooManySignIns, counted together with codes.
    """
    subject = _count(user)
    if not user.check_password(password):
        raise WrongPassword("This is not your password.", pointer="/password")
    SignInCounter.objects.take_back([subject])
    begin_factor(user)


def show_factor(request: HttpRequest, factor: SecondFactor, *, code: str) -> None:
    """Let this session in. The first code confirms the factor, which ends all other sign-ins of the user.

    Raises WrongCode, or TooManySignIns, as for passwords.
    """
    use_code(factor, code=code, kept=request.session.session_key)
    request.session.cycle_key()
    request.session[SESSION_KEY] = _mark(factor)


def use_code(factor: SecondFactor, *, code: str, kept: str | None = None) -> None:
    """Take one code, which is used up by that; the first one ends all sign-ins but the session `kept`.

    Raises WrongCode, or TooManySignIns, as for passwords.
    """
    subject = _count(factor.user)
    is_new = factor.confirmed_at is None
    with transaction.atomic():
        is_right = factor.use_code(code, now=timezone.now())
        audit.record(_action(is_right=is_right, is_new=is_new), factor.user, by=factor.user)
        if is_right and is_new:
            factor.user.end_sign_ins(timezone.now(), kept=kept)
    if not is_right:
        raise WrongCode("This code is wrong, or was used already. Wait for the next one.", pointer="/code")
    SignInCounter.objects.take_back([subject])


def _count(user: User) -> str:
    """Count an attempt of the user, and return under what; it is taken back if it was right."""
    subject = f"factor:{user.pk}"
    count_attempt(subject, limit=settings.SIGN_INS_PER_ACCOUNT)
    return subject


def _action(*, is_right: bool, is_new: bool) -> str:
    if not is_right:
        return "user.second_factor_failed"
    return "user.second_factor_set_up" if is_new else "user.second_factor_shown"


def remove_factor(request: HttpRequest, factor: SecondFactor, *, code: str) -> None:
    """Take the user's own away, which ends all other sign-ins. Raises WrongCode, or TooManySignIns."""
    use_code(factor, code=code)
    with transaction.atomic():
        audit.record("user.second_factor_removed", factor.user)
        SecondFactor.objects.filter(pk=factor.pk).delete()
        factor.user.end_sign_ins(timezone.now(), kept=request.session.session_key)


@transaction.atomic
def forget_factor(factor: SecondFactor) -> None:
    """For who has lost the telephone: all sign-ins end, and the password alone is asked for from now on."""
    audit.record("user.second_factor_forgotten", factor.user)
    SecondFactor.objects.filter(pk=factor.pk).delete()
    factor.user.end_sign_ins(timezone.now())


def lets_in(request: HttpRequest) -> bool:
    """Whether this session of a user has shown what it has to beside the password."""
    assert isinstance(request.user, User)
    factor = request.user.confirmed_factor
    if factor is None:
        return not settings.MEMBERS_NEED_SECOND_FACTOR
    return request.session.get(SESSION_KEY) == _mark(factor)


def lets_operator_in(request: HttpRequest) -> bool:
    """The same for the operators' site, which may ask for a factor where the pages do not."""
    assert isinstance(request.user, User)
    has_none = request.user.confirmed_factor is None
    return lets_in(request) and not (has_none and settings.OPERATORS_NEED_SECOND_FACTOR)


def page_of(following: str) -> str:
    """The address of the page that asks for the code, and then leads to `following`."""
    return f"{reverse('second-factor')}?{urlencode({'next': following}, safe='/')}"


def _mark(factor: SecondFactor) -> str:
    return factor.confirmed_at.isoformat() if factor.confirmed_at else ""
