"""The way back for the only operator whose telephone is lost."""

from django.core.management.base import BaseCommand, CommandError, CommandParser

from finetuning.models import SecondFactor
from finetuning.second_factor import services


class Command(BaseCommand):
    help = "Forget the second factor of an operator, who then signs in with the password alone."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("email")

    def handle(self, *, email: str, **options: object) -> None:
        factor = SecondFactor.objects.select_related("user").filter(user__email__iexact=email).first()
        if factor is None:
            raise CommandError(f"{email} has no second factor.")
        services.forget_factor(factor)
        self.stdout.write(f"The second factor of {factor.user.email} is forgotten.")
