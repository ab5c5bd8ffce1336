from django.urls import path

from finetuning.organizations import audit_views, views

app_name = "settings"
urlpatterns = [
    path("organization", views.show_organization, name="organization"),
    path("organization/spending", views.cap_spending, name="spending"),
    path("organization/delete", views.delete_organization, name="delete-organization"),
    path("workspaces", views.list_workspaces, name="workspaces"),
    path("workspaces/<uuid:workspace_id>", views.rename_workspace, name="workspace"),
    path("workspaces/<uuid:workspace_id>/delete", views.delete_workspace, name="delete-workspace"),
    path("audit", audit_views.list_entries, name="audit"),
    path("profile", views.show_profile, name="profile"),
    path("profile/sign-ins", views.end_sign_in, name="end-sign-in"),
    path("profile/sessions", views.end_session, name="end-session"),
    path("profile/sessions/others", views.end_other_sessions, name="end-other-sessions"),
    path("profile/second-factor", views.remove_second_factor, name="remove-second-factor"),
    path("profile/password", views.change_password, name="password"),
]
