"""Seals stored secrets anew with the first of ENCRYPTION_KEYS, so that the older ones can be taken away."""

from django.core.management.base import BaseCommand

from finetuning import sealing
from finetuning.models import ProviderAccount


class Command(BaseCommand):
    help = "Seal all stored secrets with the first of ENCRYPTION_KEYS. Can be stopped and started again."

    def handle(self, **options: object) -> None:
        rotated = sum(map(reseal, ProviderAccount.objects.exclude(sealed_api_key=b"").iterator()))
        with_webhooks = ProviderAccount.objects.exclude(sealed_webhook_secrets=b"")
        rotated += sum(map(reseal_webhook_secrets, with_webhooks.iterator()))
        self.stdout.write(f"{rotated} secrets were sealed anew. The older keys are needed no more.")


def reseal(account: ProviderAccount) -> bool:
    """Seal the account's key anew unless that is done. A key that is replaced meanwhile is left alone."""
    before = bytes(account.sealed_api_key)
    if sealing.is_current(before):
        return False
    account.set_api_key(account.api_key)
    unchanged = ProviderAccount.objects.filter(pk=account.pk, sealed_api_key=before)
    return bool(unchanged.update(sealed_api_key=account.sealed_api_key))


def reseal_webhook_secrets(account: ProviderAccount) -> bool:
    """The same for the secrets of its webhooks."""
    before = bytes(account.sealed_webhook_secrets)
    if sealing.is_current(before):
        return False
    account.set_webhook_secrets(account.webhook_secrets)
    unchanged = ProviderAccount.objects.filter(pk=account.pk, sealed_webhook_secrets=before)
    return bool(unchanged.update(sealed_webhook_secrets=account.sealed_webhook_secrets))
