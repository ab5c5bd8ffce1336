"""Setting up a second factor, showing it, and forgetting one that was lost."""

from django.conf import settings
from django.db import transaction
from django.http import HttpRequest
from django.utils import timezone

from finetuning import audit
from finetuning.errors import Invalid
from finetuning.models import SecondFactor, SignInCounter, User
from finetuning.sign_in import count_attempt

# Which factor this session has shown, by the time of its confirmation: one that was set up anew is another.
SESSION_KEY = "second_factor_confirmed_at"


class WrongCode(Invalid):
    code = "wrong_code"


def find_factor(user: User) -> SecondFactor | None:
    """The user's, also one that was not confirmed yet."""
    return SecondFactor.objects.select_related("user").filter(user=user).first()


def begin_factor(user: User) -> SecondFactor:
    """A factor with a secret for the user's app; the one that there is, where there is one."""
    factor = SecondFactor(user=user)
    factor.draw_secret()
    found, _ = SecondFactor.objects.get_or_create(user=user, defaults={"sealed_secret": factor.sealed_secret})
    return found


def show_factor(request: HttpRequest, factor: SecondFactor, *, code: str) -> None:
    """Let this session into the operators' site. Raises WrongCode, or TooManySignIns, as for passwords."""
    subject = f"factor:{factor.pk}"
    count_attempt(subject, limit=settings.SIGN_INS_PER_ACCOUNT)
    is_new = factor.confirmed_at is None
    with transaction.atomic():
        is_right = factor.use_code(code, now=timezone.now())
        audit.record(_action(is_right=is_right, is_new=is_new), factor.user)
    if not is_right:
        raise WrongCode("This code is wrong, or was used already. Wait for the next one.", pointer="/code")
    SignInCounter.objects.take_back([subject])
    request.session.cycle_key()
    request.session[SESSION_KEY] = _mark(factor)


def _action(*, is_right: bool, is_new: bool) -> str:
    if not is_right:
        return "user.second_factor_failed"
    return "user.second_factor_set_up" if is_new else "user.second_factor_shown"


def lets_in(request: HttpRequest) -> bool:
    """Whether this session may into the operators' site, as far as the second factor goes."""
    assert isinstance(request.user, User)
    factor = find_factor(request.user)
    if factor is None or factor.confirmed_at is None:
        return not settings.OPERATORS_NEED_SECOND_FACTOR
    return request.session.get(SESSION_KEY) == _mark(factor)


def _mark(factor: SecondFactor) -> str:
    return factor.confirmed_at.isoformat() if factor.confirmed_at else ""


@transaction.atomic
def forget_factor(factor: SecondFactor) -> None:
    """For who has lost the telephone: the password alone is asked for, until a factor is set up again."""
    audit.record("user.second_factor_forgotten", factor.user)
    SecondFactor.objects.filter(pk=factor.pk).delete()
