"""Seals stored secrets anew with the first of ENCRYPTION_KEYS, so that the older ones can be taken away."""

from django.core.management.base import BaseCommand

from finetuning import sealing
from finetuning.models import ProviderAccount, SecondFactor, WebhookEndpoint


class Command(BaseCommand):
    help = "Seal all stored secrets with the first of ENCRYPTION_KEYS. Can be stopped and started again."

    def handle(self, **options: object) -> None:
        rotated = 0
        for account in ProviderAccount.objects.iterator():
            rotated += reseal(account, "sealed_api_key", place=account.api_key_place)
            rotated += reseal(account, "sealed_webhook_secrets", place=account.webhook_place)
        for endpoint in WebhookEndpoint.objects.iterator():
            rotated += reseal(endpoint, "sealed_secret", place=endpoint.secret_place)
            rotated += reseal(endpoint, "sealed_previous_secret", place=endpoint.secret_place)
        for factor in SecondFactor.objects.iterator():
            rotated += reseal(factor, "sealed_secret", place=factor.place)
        self.stdout.write(f"{rotated} secrets were sealed anew. The older keys are needed no more.")


def reseal(row: ProviderAccount | SecondFactor | WebhookEndpoint, column: str, *, place: str) -> bool:
    """Seal the column anew, if it has something older. What is replaced meanwhile is left alone."""
    before = bytes(getattr(row, column))
    if not before or sealing.is_current(before):
        return False
    after = sealing.seal(sealing.unseal(before, place=place), place=place)
    unchanged = type(row)._default_manager.filter(pk=row.pk, **{column: before})
    return bool(unchanged.update(**{column: after}))
