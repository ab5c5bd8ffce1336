from django.urls import path

from finetuning import views

app_name = "finetuning"
urlpatterns = [
    path("", views.dashboard, name="dashboard"),
    path("search", views.search, name="search"),
    path("organizations", views.list_organizations, name="organizations"),
    path("organizations/<uuid:organization_id>", views.switch_organization, name="switch-organization"),
]
