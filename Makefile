# The one door to Gantry: `make help` lists every task. CI runs these targets and nothing else.
PYTHON ?= python3
PY := .venv/bin/python
MODEL ?=
ARGS ?=
PROFILE ?= cpu
COMPOSE = docker compose --project-name gantry --project-directory . --profile $(PROFILE) -f deploy/compose.yaml \
  $(foreach file,$(sort $(wildcard services/*/compose.yaml)),-f $(file))
# ONNX Runtime reports to its maker unless it is told not to before its first import.
export ORT_DISABLE_TELEMETRY ?= 1
.DEFAULT_GOAL := help
.PHONY: help .venv run status test bench lint format docs lock models deps deps-train transcribe images compose chaos clean

help:  ## list the tasks
	@grep -hE '^[a-z.%-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([^:]+):.*## /\1\t/' | expand -t 16
	@ls benchmarks/bench_*.py benchmarks/eval_*.py 2>/dev/null \
	  | sed -E 's#benchmarks/([a-z]+)_(.*)\.py#make \1-\2#; s#_#-#g' || true

.venv:  ## create the environment, or bring it up to date (TORCH_INDEX_URL chooses torch's build)
	@$(PYTHON) deploy/install.py

run: .venv  ## get the models that can be had, then run the gateway and all services (GATEWAY_PORT)
	@$(PY) -m shared.models fetch --defaults
	@exec $(PY) -m deploy up

status: .venv  ## say what of a running system is ready
	@$(PY) -m deploy status

test: .venv  ## run all tests that need neither GPU nor network (GANTRY_TEST_DATA, ARGS)
	@$(PY) -m pytest $(ARGS)

lint: .venv  ## check style, layout and types
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -m mypy .

format: .venv  ## repair style and layout where a tool can
	@$(PY) -m ruff check --fix .
	@$(PY) -m ruff format .

docs: .venv  ## renew the tables of settings in the READMEs
	@$(PY) -m deploy.docs

lock: .venv  ## pin the requirements of each image with hashes (ARGS=services/ocr)
	@$(PY) -m deploy.lock $(ARGS)

models: .venv  ## fetch and verify models (MODEL=service/name; OFFLINE=1 forbids any outbound call)
	@$(PY) -m shared.models fetch $(MODEL)

transcribe: .venv  ## write subtitles beside the recordings of a folder (DIR=…, ARGS="--format vtt")
	@$(PY) -m services.whisper.batch "$(DIR)" $(ARGS)

deps:  ## install the Debian packages that training, benchmarks and extras use (needs root)
	apt-get install --no-install-recommends -y $$(sed 's/#.*//' deploy/debian-packages.txt)

deps-train:  ## add to the environment what training the demo weights needs
	@$(PYTHON) deploy/install.py --train

chaos: .venv  ## kill gateway and service 200 times while jobs run, and count the jobs that suffer
	@$(PY) -m tests.gateway.chaos $(ARGS)

bench: .venv  ## run a bounded set of all benchmarks, within half an hour (ARGS="--only cache")
	@$(PY) -m benchmarks.bench_all $(ARGS)

bench-%: .venv  ## run benchmarks/bench_*.py
	@$(PY) -m benchmarks.bench_$(subst -,_,$*) $(ARGS)

eval-%: .venv  ## run benchmarks/eval_*.py
	@$(PY) -m benchmarks.eval_$(subst -,_,$*) $(ARGS)

images:  ## build the image of the gateway and of every service (PROFILE=cpu|gpu)
	$(COMPOSE) build

compose:  ## run docker compose with the files of all services (ARGS="up -d", PROFILE=cpu|gpu)
	$(COMPOSE) $(ARGS)

clean:  ## remove the environment and caches; models and state stay
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis
