PORT ?= 8000
DATA ?= .data
FILE ?=
KILLS ?= 500
JOBS ?= 200
SEED ?=
CASES ?= 20000
PHASES ?= examples,coverage,fuzzing,stateful
EXAMPLES ?= 10
READY = .venv/.ready
# What is started a hundred times is compiled once, whatever the environment says, and beside no source.
unexport PYTHONDONTWRITEBYTECODE
export PYTHONPYCACHEPREFIX = $(CURDIR)/.venv/bytecode

.PHONY: run test check demo conformance screenshots clean
.DEFAULT_GOAL = run

$(READY): uv.lock pyproject.toml .bootstrap/install
	@sh .bootstrap/install
	@touch $@

run: $(READY)  ## The whole product on http://localhost:$(PORT), its data in $(DATA)
	@exec .venv/bin/python manage.py up --port "$(PORT)" --data "$(DATA)"

demo: $(READY)  ## The main job from the terminal, against what `make run` started with the same PORT and DATA
	@exec .venv/bin/python -m finetuning.embedded --running "$(DATA)" -- .venv/bin/python manage.py demo --port "$(PORT)" $(if $(FILE),--file "$(FILE)")

# One more than the two cores that CI has: many tests wait for other processes.
test: $(READY)  ## All tests, on a PostgreSQL and a Valkey of their own
	@exec .venv/bin/python -m finetuning.embedded -- .venv/bin/python -m pytest -n 3 --dist worksteal $(ARGS)

conformance: $(READY)  ## The OpenAI SDK's own tests against the sandbox
	@exec .venv/bin/python -m finetuning.embedded -- .venv/bin/python -m pytest -m conformance $(ARGS)

screenshots: $(READY)  ## Pictures of every page, for the documentation; needs Chromium
	@exec .venv/bin/python -m finetuning.embedded -- .venv/bin/python -m pytest tests/browser/screenshots.py

check: $(READY)  ## Formatting, lint, types, layers, templates, migrations, API description, deployment settings
	@sh .ci/check

.PHONY: chaos
chaos: $(READY)  ## The real stack under KILLS kills while JOBS jobs are trained; SEED repeats a run (docs/chaos.md)
	@exec .venv/bin/python -m tests.chaos --kills "$(KILLS)" --jobs "$(JOBS)" $(if $(SEED),--seed "$(SEED)")

.PHONY: fuzz
fuzz: $(READY)  ## At least CASES made-up requests as a viewer, a member and an owner; SEED repeats a run
	@exec .venv/bin/python -m finetuning.embedded -- .venv/bin/python -m tests.fuzz --cases "$(CASES)" --phases "$(PHASES)" --examples "$(EXAMPLES)" $(if $(SEED),--seed "$(SEED)")

.PHONY: bench-api
bench-api: $(READY)  ## The API's speed against a bare view, with 100 and with 1,000,000 jobs; the last line is JSON
	@exec .venv/bin/python -m finetuning.embedded -- .venv/bin/python -m tests.bench.api $(ARGS)

.PHONY: bench-examples
bench-examples: $(READY)  ## The first and the last page of 1,000,000 examples
	@exec .venv/bin/python -m finetuning.embedded -- .venv/bin/python -m tests.bench.examples $(ARGS)

.PHONY: crash-points planted-faults bench-poll
crash-points: $(READY)  ## A worker struck at every statement and call of a job's life (docs/guarantees.md)
	@exec .venv/bin/python -m tests.chaos.crash_points $(ARGS)

planted-faults: $(READY)  ## Twelve guards taken away, one by one: a test must notice each
	@exec .venv/bin/python -m finetuning.embedded -- .venv/bin/python -m tests.planted_faults $(ARGS)

bench-poll: $(READY)  ## What it costs to watch 10,000 running jobs
	@exec .venv/bin/python -m finetuning.embedded -- .venv/bin/python -m tests.bench.poll $(ARGS)

.PHONY: fuzz-ingest
fuzz-ingest: $(READY)  ## CASES training files made by chance, read and judged; SEED repeats a run
	@exec .venv/bin/python -m tests.fuzz_ingest --cases "$(or $(CASES),20000)" $(if $(SEED),--seed "$(SEED)")

.PHONY: bench-ingest
bench-ingest: $(READY)  ## From upload to stored examples against the cookbook, plain Django and the floor (docs/ingestion.md)
	@exec .venv/bin/python -m finetuning.embedded -- .venv/bin/python -m tests.bench.ingest $(ARGS)

.PHONY: gateway-kills bench-gateway
gateway-kills: $(READY)  ## 1,000 calls of the gateway while it, a worker and the database are killed
	@exec .venv/bin/python -m tests.gateway.kills $(ARGS)

bench-gateway: $(READY)  ## What the gateway adds to a call, beside LiteLLM's proxy; the last line is JSON
	@exec .venv/bin/python -m finetuning.embedded -- .venv/bin/python -m tests.bench.gateway $(ARGS)

.PHONY: audit
# What it says depends on the day and on a service, not on a change: it is no part of `make check`.
audit: $(READY)  ## The packages of a production install against the published advisories; needs the network
	@.venv/bin/uv export --frozen --quiet --no-header --no-default-groups --output-file .venv/production.txt
	@.venv/bin/pip-audit --requirement .venv/production.txt --disable-pip --require-hashes --strict --progress-spinner off

.PHONY: bench-pages
bench-pages: $(READY)  ## What each page costs the wire, the database and the server, with 100 and 100,000 rows
	@exec .venv/bin/python -m finetuning.embedded -- .venv/bin/python -m tests.bench.pages $(ARGS)

clean:  ## Removes the environment and caches; data folders stay
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .import_linter_cache
