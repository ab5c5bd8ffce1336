"""Traces by OpenTelemetry, whose packages are optional: only a process that is to trace imports them."""

from django.core.exceptions import ImproperlyConfigured


def start_tracing(endpoint: str) -> None:
    """Send the spans of requests, tasks and statements to the collector at `endpoint`, by OTLP over HTTP.

    Raises ImproperlyConfigured without the packages of the extra `tracing`.
    """
    try:
        from opentelemetry import trace
        from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
        from opentelemetry.instrumentation.celery import CeleryInstrumentor
        from opentelemetry.instrumentation.django import DjangoInstrumentor
        from opentelemetry.instrumentation.psycopg import PsycopgInstrumentor
        from opentelemetry.sdk.resources import SERVICE_NAME, Resource
        from opentelemetry.sdk.trace import TracerProvider
        from opentelemetry.sdk.trace.export import BatchSpanProcessor
    except ImportError as error:
        message = "OTEL_EXPORTER_OTLP_ENDPOINT takes the extra `tracing`: uv sync --extra tracing."
        raise ImproperlyConfigured(message) from error
    provider = TracerProvider(resource=Resource.create({SERVICE_NAME: "attune"}))
    exporter = OTLPSpanExporter(endpoint=f"{endpoint.rstrip('/')}/v1/traces")
    provider.add_span_processor(BatchSpanProcessor(exporter))
    trace.set_tracer_provider(provider)
    for instrumentor in (DjangoInstrumentor, CeleryInstrumentor, PsycopgInstrumentor):
        instrumentor().instrument()
