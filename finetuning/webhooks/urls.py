from django.urls import path

from finetuning.webhooks import views

app_name = "webhooks"
urlpatterns = [
    path("", views.list_endpoints, name="list"),
    path("/new", views.new_endpoint, name="new"),
    path("/<uuid:endpoint_id>", views.show_endpoint, name="detail"),
    path("/<uuid:endpoint_id>/edit", views.edit_endpoint, name="edit"),
    path("/<uuid:endpoint_id>/rotate", views.rotate_secret, name="rotate"),
    path("/<uuid:endpoint_id>/test", views.send_test_event, name="test"),
    path("/<uuid:endpoint_id>/delete", views.delete_endpoint, name="delete"),
    path("/<uuid:endpoint_id>/deliveries/<uuid:delivery_id>", views.show_delivery, name="delivery"),
    path("/<uuid:endpoint_id>/deliveries/<uuid:delivery_id>/resend", views.resend_delivery, name="resend"),
]
