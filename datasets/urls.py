from django.urls import path

from datasets import views

app_name = "datasets"
urlpatterns = [
    path("", views.list_datasets, name="list"),
    path("cards", views.list_datasets, {"template": "datasets/_list.html"}, name="cards"),
    path("new", views.new_dataset, name="new"),
    path("new/preview", views.preview_file, name="preview"),
    path("sample", views.download_sample, name="sample"),
    path("<uuid:dataset_id>", views.show_dataset, name="detail"),
    path(
        "<uuid:dataset_id>/status", views.show_dataset, {"template": "datasets/_status.html"}, name="status"
    ),
    path("<uuid:dataset_id>/problems", views.list_problems, name="problems"),
    path("<uuid:dataset_id>/edit", views.edit_dataset, name="edit"),
    path("<uuid:dataset_id>/validate", views.revalidate_dataset, name="validate"),
    path("<uuid:dataset_id>/delete", views.delete_dataset, name="delete"),
]
