from django.urls import path

from finetuning.members import views

app_name = "members"
urlpatterns = [
    path("", views.list_members, name="list"),
    path("/<uuid:user_id>/role", views.change_role, name="role"),
    path("/<uuid:user_id>/remove", views.remove_member, name="remove"),
    path("/invitations/<uuid:invitation_id>/revoke", views.revoke_invitation, name="revoke"),
]
