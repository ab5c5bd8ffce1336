from django.urls import path

from finetuning.provider_accounts import views

app_name = "provider_accounts"
urlpatterns = [
    path("", views.list_accounts, name="list"),
    path("/new", views.new_account, name="new"),
    path("/<uuid:account_id>", views.edit_account, name="detail"),
    path("/<uuid:account_id>/test", views.check_account, name="test"),
    path("/<uuid:account_id>/delete", views.delete_account, name="delete"),
]
