from django.urls import path

from jobs import compare_views, views

app_name = "jobs"
urlpatterns = [
    path("", views.list_jobs, name="list"),
    path("rows", views.list_jobs, {"template": "jobs/_list.html"}, name="rows"),
    path("compare", compare_views.compare_jobs, name="compare"),
    path("costs", views.list_costs, name="costs"),
    path("new", views.new_job, name="new"),
    path("new/check", views.check_job, name="check"),
    path("new/estimate", views.estimate_job, name="estimate"),
    path("<uuid:job_id>", views.show_job, name="detail"),
    path("<uuid:job_id>/progress", views.show_progress, name="progress"),
    path("<uuid:job_id>/metrics", views.show_metrics, name="metrics"),
    path("<uuid:job_id>/events", views.list_events, name="events"),
    path("<uuid:job_id>/log", views.list_events, {"template": "jobs/_log.html"}, name="log"),
    path("<uuid:job_id>/cancel", views.cancel_job, name="cancel"),
    path("<uuid:job_id>/retry", views.retry_job, name="retry"),
    path("<uuid:job_id>/pause", views.steer_job, {"wish": "pause"}, name="pause"),
    path("<uuid:job_id>/resume", views.steer_job, {"wish": "resume"}, name="resume"),
    path("<uuid:job_id>/checkpoint", views.steer_job, {"wish": "checkpoint"}, name="checkpoint"),
]
