"""People."""

from datetime import datetime
from typing import TYPE_CHECKING, Any, ClassVar

from django.contrib.auth.models import AbstractUser
from django.contrib.auth.models import UserManager as DjangoUserManager
from django.db import models
from django.db.models.functions import Lower

from finetuning.ids import uuid7
from finetuning.models.tokens import TokenFamily, TokenFamilyQuerySet

if TYPE_CHECKING:
    from finetuning.models.second_factor import SecondFactor


class UserManager(DjangoUserManager["User"]):
    """Users are created and found by e-mail, whatever its case."""

    def create_user(  # type: ignore[override]
        self, email: str, password: str | None = None, **columns: Any
    ) -> "User":
        user = self.model(email=self.normalize_email(email), **columns)
        user.set_password(password)
        user.save(using=self._db)
        return user

    def create_superuser(  # type: ignore[override]
        self, email: str, password: str | None = None, **columns: Any
    ) -> "User":
        return self.create_user(email, password, is_staff=True, is_superuser=True, **columns)

    def get_by_natural_key(self, username: str | None) -> "User":
        return self.get(email__iexact=username or "")


class User(AbstractUser):
    """A person; the e-mail is the user name. Works in an organization through a membership."""

    username = None  # type: ignore[assignment]
    id = models.UUIDField(primary_key=True, default=uuid7, editable=False)
    # Django asks for `unique`; the constraint below also holds for other cases of the letters.
    email = models.EmailField("e-mail", unique=True)

    USERNAME_FIELD = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    objects: ClassVar[UserManager] = UserManager()

    audited: ClassVar[tuple[str, ...]] = (
        "email",
        "first_name",
        "last_name",
        "is_active",
        "is_staff",
        "is_superuser",
    )

    class Meta:
        db_table = "users"
        constraints = [
            models.UniqueConstraint(
                Lower("email"), name="users_email_unique", violation_error_message="This e-mail is taken."
            ),
        ]

    def rename(self, name: str) -> None:
        """Save the whole name as one: where first names end is nobody's business but the person's."""
        self.first_name, self.last_name = name, ""
        self.save(update_fields=["first_name", "last_name"])

    @property
    def display_name(self) -> str:
        return self.get_full_name() or self.email

    def record_sign_in(self, now: datetime) -> None:
        User.objects.filter(pk=self.pk).update(last_login=now)

    def sign_ins(self, now: datetime) -> TokenFamilyQuerySet:
        """The living ones to the API, in every organization."""
        return TokenFamily.objects.living(now).filter(membership__user=self)

    def revoke_tokens(self, now: datetime) -> None:
        """End all sign-ins to the API, in every organization. Sign-ins to the web pages stay."""
        TokenFamily.objects.filter(membership__user=self).revoke(now)

    def end_sign_ins(self, now: datetime, *, kept: str | None = None) -> None:
        """End all sign-ins, to the API and to the pages; the session whose key is `kept` goes on."""
        self.revoke_tokens(now)
        self.page_sessions.exclude(session=kept).end()

    @property
    def confirmed_factor(self) -> "SecondFactor | None":
        """What is asked for beside the password; None when there is nothing, or no code confirmed it yet."""
        factor: SecondFactor | None = getattr(self, "second_factor", None)
        return factor if factor and factor.confirmed_at else None
