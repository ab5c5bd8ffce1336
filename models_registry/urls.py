from django.urls import path

from models_registry import views

app_name = "models_registry"
urlpatterns = [
    path("", views.list_models, name="list"),
    path("<uuid:model_id>", views.show_model, name="detail"),
    path("<uuid:model_id>/deploy", views.deploy_model, name="deploy"),
    path("<uuid:model_id>/undeploy", views.undeploy_model, name="undeploy"),
    path("<uuid:model_id>/archive", views.archive_model, name="archive"),
    path("<uuid:model_id>/delete", views.delete_model, name="delete"),
    path("<uuid:model_id>/try", views.try_model, name="try"),
]
