from django.urls import path

from models_registry import agent_views, key_views, playground_views, views

app_name = "models_registry"
urlpatterns = [
    path("", views.list_models, name="list"),
    path("<uuid:model_id>", views.show_model, name="detail"),
    path("<uuid:model_id>/deploy", views.deploy_model, name="deploy"),
    path("<uuid:model_id>/undeploy", views.undeploy_model, name="undeploy"),
    path("<uuid:model_id>/archive", views.archive_model, name="archive"),
    path("<uuid:model_id>/delete", views.delete_model, name="delete"),
]

agent_urls = (
    [
        path("", agent_views.list_agents, name="list"),
        path("<uuid:agent_id>", agent_views.show_agent, name="detail"),
        path("<uuid:agent_id>/split", agent_views.split_agent, name="split"),
        path("<uuid:agent_id>/settings", agent_views.update_agent, name="settings"),
        path("<uuid:agent_id>/roll-back", agent_views.roll_back_agent, name="roll-back"),
    ],
    "agents",
)

key_urls = (
    [
        path("", key_views.list_keys, name="list"),
        path("<uuid:key_id>/revoke", key_views.revoke_key, name="revoke"),
    ],
    "keys",
)

playground_urls = (
    [
        path("", playground_views.show_playground, name="show"),
        path("/ask", playground_views.ask_one, name="ask"),
        path("/save", playground_views.save_answer, name="save"),
    ],
    "playground",
)
