"""Many rows, made in the database."""

from django.db import connection

from datasets.models import Dataset
from finetuning.models import Organization, ProviderAccount, User
from tests.factories import DatasetFactory, OrganizationFactory, ProviderAccountFactory, UserFactory

JOBS = """
    INSERT INTO fine_tuning_jobs (
        id, organization_id, dataset_id, provider_account_id, created_by_id, name, description, base_model,
        method, hyperparameters, validation_split, suffix, seed, status, progress_percentage, trained_tokens,
        estimated_cost_usd, actual_cost_usd, error_code, error_message, training_file_id, validation_file_id,
        looks_without_match, create_attempts, provider_job_id, vendor_status, attempts, retries, created_at,
        updated_at, started_at, completed_at, total_epochs, error_evidence, metadata, grader, start_model, checkpoints
    )
    SELECT gen_random_uuid(), %(organization)s, %(dataset)s, %(account)s, %(user)s, 'Job ' || number, '',
        'gpt-4.1-mini-2025-04-14', 'supervised', '{"n_epochs": 3}', 0.1, '', number,
        CASE WHEN number %% 10 = 0 THEN 'failed' ELSE 'succeeded' END,
        CASE WHEN number %% 10 = 0 THEN 50 ELSE 100 END, 60000, 0.90, 0.90, '', '', 'file-' || number, '', 0, 1,
        'ftjob-' || number, '', 0, 0, moment, moment, moment, moment + interval '20 minutes', 3, '[]', '{}',
        '{}', '', '[]'
    FROM generate_series(1, %(count)s) number, LATERAL (
        SELECT timestamptz '2026-01-01' + number * interval '1 second' AS moment
    ) of_job
"""
EXAMPLES = """
    INSERT INTO training_examples (dataset_id, position, line, messages, attributes, token_count)
    SELECT %(dataset)s, number, number + 1,
        '[{"role": "user", "content": "How?"}, {"role": "assistant", "content": "So."}]', '{}', 100 + number %% 900
    FROM generate_series(0, %(count)s - 1) number
"""
NUMBERS = """
    INSERT INTO stat_changes (organization_id, workspace_id, subject, measure, key, amount)
    SELECT organization_id, workspace_id, 'jobs', measure, key, sum(amount)
    FROM fine_tuning_jobs, fine_tuning_jobs_counts(fine_tuning_jobs) WHERE organization_id = %(organization)s
    GROUP BY organization_id, workspace_id, measure, key
"""


def organization_with_jobs(count: int, *, examples: int) -> tuple[Organization, User, Dataset]:
    """An organization with so many finished jobs on one dataset, its owner, and that dataset."""
    organization = OrganizationFactory()
    user = UserFactory(member_of=organization, member_of__role="owner")
    account = ProviderAccountFactory(
        organization=organization,
        kind=ProviderAccount.Kind.COMPATIBLE,
        base_url="https://api.example.com/v1",
        is_default=True,
    )
    account.set_api_key("sk-of-no-value")
    account.save()
    dataset = DatasetFactory(organization=organization)
    ids = {
        "organization": organization.pk,
        "dataset": dataset.pk,
        "account": account.pk,
        "user": user.pk,
    }
    with connection.cursor() as cursor:
        # Without triggers for each row, the numbers are written once for all.
        cursor.execute("SET session_replication_role = replica")
        cursor.execute(JOBS, ids | {"count": count})
        cursor.execute(EXAMPLES, ids | {"count": examples})
        cursor.execute(NUMBERS, ids)
        cursor.execute("RESET session_replication_role")
    dataset.total_examples = examples
    dataset.total_tokens = sum(dataset.examples.values_list("token_count", flat=True))
    dataset.save()
    return organization, user, dataset
