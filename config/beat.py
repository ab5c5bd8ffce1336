"""Beat, which keeps its schedule in the database."""

from django_celery_beat.models import PeriodicTask
from django_celery_beat.schedulers import DatabaseScheduler


class ScheduleIncomplete(Exception):
    """Tasks of the settings are not in the database, which went away while they were written there."""


class Scheduler(DatabaseScheduler):  # type: ignore[misc]
    """Does not start without its tasks. The one that it derives from would run and never do anything."""

    def setup_schedule(self) -> None:
        super().setup_schedule()
        wanted = self.app.conf.beat_schedule
        known = PeriodicTask.objects.filter(name__in=wanted).count()
        if known < len(wanted):
            raise ScheduleIncomplete(f"{known} of {len(wanted)} tasks are in the database. Start Beat again.")
