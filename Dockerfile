FROM python:3.12-slim

ENV PYTHONUNBUFFERED=1 UV_PROJECT_ENVIRONMENT=/opt/venv UV_LINK_MODE=copy PATH=/opt/venv/bin:$PATH
RUN pip install --no-cache-dir uv==0.13.9 \
    && useradd --create-home --uid 10001 attune \
    && install --directory --owner attune /data
WORKDIR /app

# Alone, so that a change of code does not install the packages again.
COPY pyproject.toml uv.lock ./
RUN uv sync --frozen --no-default-groups --compile-bytecode --no-cache

COPY . .
ENV MEDIA_ROOT=/data/media STATIC_ROOT=/app/static
RUN SECRET_KEY=of-no-value-while-building python manage.py collectstatic --no-input

USER attune
EXPOSE 8000
# Streams have 25 seconds to end; what still runs then is cut off and counted, see stop_grace_period.
CMD ["uvicorn", "config.asgi:application", "--host", "0.0.0.0", "--port", "8000", "--lifespan", "on", "--no-proxy-headers", "--timeout-graceful-shutdown", "25"]
