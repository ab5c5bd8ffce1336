from django.urls import path

from datasets import conversation_views, edit_views, version_views, views

app_name = "datasets"
urlpatterns = [
    path("", views.list_datasets, name="list"),
    path("cards", views.list_datasets, {"template": "datasets/_list.html"}, name="cards"),
    path("new", views.new_dataset, name="new"),
    path("new/preview", views.preview_file, name="preview"),
    path("new/matching", views.count_matching, name="matching"),
    path("sample", views.download_sample, name="sample"),
    path("<uuid:dataset_id>", views.show_dataset, name="detail"),
    path(
        "<uuid:dataset_id>/status", views.show_dataset, {"template": "datasets/_status.html"}, name="status"
    ),
    path("<uuid:dataset_id>/problems", views.list_problems, name="problems"),
    path("<uuid:dataset_id>/edit", views.edit_dataset, name="edit"),
    path("<uuid:dataset_id>/validate", views.revalidate_dataset, name="validate"),
    path("<uuid:dataset_id>/delete", views.delete_dataset, name="delete"),
    path("<uuid:dataset_id>/versions", version_views.list_versions, name="versions"),
    path("<uuid:dataset_id>/diff", version_views.show_diff, name="diff"),
    path("<uuid:dataset_id>/compare", version_views.compare_versions, name="compare"),
    path("<uuid:dataset_id>/repair", version_views.repair_dataset, name="repair"),
    path("<uuid:dataset_id>/redact", version_views.redact_dataset, name="redact"),
    path("<uuid:dataset_id>/derive", version_views.derive_dataset, name="derive"),
    path("<uuid:dataset_id>/report", version_views.download_report, name="report"),
    path("<uuid:dataset_id>/export", version_views.download_export, name="export"),
    path("<uuid:dataset_id>/example", edit_views.edit_example, name="example"),
    path("<uuid:dataset_id>/draft", edit_views.show_draft, name="draft"),
    path("<uuid:dataset_id>/draft/save", version_views.save_edits, name="save-edits"),
    path("<uuid:dataset_id>/draft/discard", edit_views.discard_edits, name="discard-edits"),
]

conversation_urls = (
    [
        path("", conversation_views.list_conversations, name="list"),
        path("import", conversation_views.import_conversations, name="import"),
        path("<uuid:conversation_id>", conversation_views.show_conversation, name="detail"),
        path("<uuid:conversation_id>/feedback", conversation_views.rate_conversation, name="feedback"),
    ],
    "conversations",
)
