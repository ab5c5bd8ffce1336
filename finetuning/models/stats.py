"""Numbers of an organization's rows that cost the same however many rows there are."""

from collections import Counter, defaultdict
from uuid import UUID

from django.db import connection, models
from django.db.models import Sum

from finetuning.models.organizations import Organization, Workspace

COMPACT = """
    WITH scattered AS (
        SELECT organization_id FROM stat_changes
        GROUP BY organization_id, workspace_id, subject, measure, key HAVING count(*) > 1
    ), taken AS (
        DELETE FROM stat_changes WHERE organization_id IN (SELECT organization_id FROM scattered)
        RETURNING organization_id, workspace_id, subject, measure, key, amount
    )
    INSERT INTO stat_changes (organization_id, workspace_id, subject, measure, key, amount)
    SELECT organization_id, workspace_id, subject, measure, key, sum(amount) FROM taken
    GROUP BY organization_id, workspace_id, subject, measure, key HAVING sum(amount) <> 0
"""

Sums = defaultdict[str, Counter[str]]


class StatChangeQuerySet(models.QuerySet["StatChange"]):
    def sums(self, subject: str, *, workspace: Workspace | UUID | None = None) -> Sums:
        """The numbers of `subject`, by measure and key: `sums("jobs")["status"]["failed"]`.

        Of one workspace, or of the whole organization. What does not occur is 0.
        """
        changes = self.filter(subject=subject)
        if workspace is not None:
            changes = changes.filter(workspace_id=getattr(workspace, "pk", workspace))
        found: Sums = defaultdict(Counter)
        totals = changes.order_by().values_list("measure", "key").annotate(total=Sum("amount"))
        for measure, key, total in totals.exclude(total=0):
            found[measure][key] = total if measure.endswith("_usd") else int(total)
        return found

    def compact(self) -> None:
        """Put the changes of each number together into one row, all organizations in one statement.

        Two at once do no harm: each row is taken by one of them.
        """
        with connection.cursor() as cursor:
            cursor.execute(COMPACT)


class StatChange(models.Model):
    """By how much a number of an organization changed. Triggers write it; the number is the sum.

    There is no foreign key: the last changes of an organization are written while it is being deleted.
    """

    organization = models.ForeignKey(
        Organization, models.DO_NOTHING, related_name="stat_changes", db_constraint=False, db_index=False
    )
    workspace_id = models.UUIDField(null=True)
    subject = models.CharField(max_length=20)
    measure = models.CharField(max_length=20)
    key = models.CharField(max_length=200)
    amount = models.DecimalField(max_digits=30, decimal_places=2)

    objects = StatChangeQuerySet.as_manager()

    class Meta:
        db_table = "stat_changes"
        indexes = [models.Index(fields=["organization", "subject"], name="stat_changes_by_subject")]

    def __str__(self) -> str:
        return f"{self.subject} {self.measure} {self.key}: {self.amount}"
