"""Training jobs and what happened to them. Django looks for an app's models in this module."""

from jobs.models.events import JobEvent, JobEventQuerySet
from jobs.models.jobs import Job
from jobs.models.querysets import IllegalMove, JobManager, JobQuerySet, LeaseLost

__all__ = ["IllegalMove", "Job", "JobEvent", "JobEventQuerySet", "JobManager", "JobQuerySet", "LeaseLost"]
