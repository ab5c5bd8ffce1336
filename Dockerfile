FROM python:3.12-slim-trixie

ENV PYTHONUNBUFFERED=1 UV_PROJECT_ENVIRONMENT=/opt/venv UV_LINK_MODE=copy PATH=/opt/venv/bin:$PATH
# back_up and restore need pg_dump and psql that are not older than the server; Debian's are.
COPY --from=postgres:18 /usr/local/share/keyrings/postgres.gpg.asc /usr/local/share/keyrings/
RUN echo "deb [signed-by=/usr/local/share/keyrings/postgres.gpg.asc] http://apt.postgresql.org/pub/repos/apt trixie-pgdg main 18" \
        > /etc/apt/sources.list.d/pgdg.list \
    && apt-get update \
    && apt-get install --yes --no-install-recommends postgresql-client-18 \
    && rm -rf /var/lib/apt/lists/*
RUN pip install --no-cache-dir uv==0.13.9 \
    && useradd --create-home --uid 10001 attune \
    && install --directory --owner attune /data /metrics
WORKDIR /app

# Alone, so that a change of code does not install the packages again.
COPY pyproject.toml uv.lock ./
RUN uv sync --frozen --no-default-groups --compile-bytecode --no-cache

COPY . .
ENV MEDIA_ROOT=/data/media STATIC_ROOT=/app/static GATEWAY_FOLDER=/data/usage
RUN SECRET_KEY=of-no-value-while-building-and-never-served-with-0123456789 python manage.py collectstatic --no-input

USER attune
EXPOSE 8000
# Streams have 25 seconds to end; what still runs then is cut off and counted, see stop_grace_period.
CMD ["uvicorn", "config.asgi:application", "--host", "0.0.0.0", "--port", "8000", "--lifespan", "on", "--no-proxy-headers", "--timeout-graceful-shutdown", "25"]
