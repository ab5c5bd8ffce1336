"""Which installation this database belongs to, and whether it still does."""

from typing import Self
from uuid import uuid4

from django.conf import settings
from django.db import connection, models

# A database that was dumped and restored has another cluster or another oid; a copy of the whole server has
# neither, which is what INSTALLATION_NAME is for. A failover to a streaming replica changes none of them.
PLACE = """
SELECT system_identifier || '/' || (SELECT oid FROM pg_database WHERE datname = current_database())
FROM pg_control_system()
"""


class Installation(models.Model):
    """The one row. `identifier` goes into the metadata of every run at a provider.

    A database that stands where nobody confirmed it is in quarantine: nothing is started or cancelled at a
    provider, or a copy for tests would do so with the runs of the original.
    """

    id = models.SmallIntegerField(primary_key=True, default=1)
    identifier = models.UUIDField(default=uuid4)
    place = models.CharField(max_length=300)

    class Meta:
        db_table = "installation"
        constraints = [models.CheckConstraint(condition=models.Q(id=1), name="installation_once")]

    def __str__(self) -> str:
        return str(self.identifier)

    @classmethod
    def load(cls) -> Self:
        """The row, which is made where there is none yet."""
        return cls._base_manager.get_or_create(pk=1, defaults={"place": current_place()})[0]

    @property
    def is_quarantined(self) -> bool:
        return self.place != current_place()

    def confirm_restored(self) -> None:
        """This database goes on as the installation that it was; the other one is gone."""
        self.place = current_place()
        self.save(update_fields=["place"])

    def confirm_copied(self) -> None:
        """This database is an installation of its own from now on; the other one goes on beside it."""
        self.place, self.identifier = current_place(), uuid4()
        self.save(update_fields=["place", "identifier"])


def current_place() -> str:
    """Where this process finds its database: a name for it that no copy shares."""
    with connection.cursor() as cursor:
        cursor.execute(PLACE)
        return f"{settings.INSTALLATION_NAME}/{cursor.fetchone()[0]}"
