"""A dataset's report and its exports as answers, for the API and the pages."""

from collections.abc import Mapping

from datasets import exporting, reporting
from datasets.models import Dataset
from finetuning.downloads import Download

REPORT_TYPES: Mapping[reporting.ReportFormat, str] = {
    "csv": "text/csv; charset=utf-8",
    "jsonl": "application/jsonl",
}


def report_file(dataset: Dataset, file_format: reporting.ReportFormat) -> Download:
    """Every problem as a file. Raises what `reporting.report` raises."""
    return Download(
        reporting.report(dataset, file_format),
        name=f"{dataset.name} v{dataset.version} problems",
        suffix=file_format,
        content_type=REPORT_TYPES[file_format],
    )


def export_file(dataset: Dataset, file_format: exporting.FileFormat) -> Download:
    """The examples as a file. Raises what `exporting.export_dataset` raises."""
    chosen = exporting.FORMATS[file_format]
    return Download(
        exporting.export_dataset(dataset, file_format),
        name=f"{dataset.name} v{dataset.version}",
        suffix=chosen.suffix,
        content_type=chosen.content_type,
    )
