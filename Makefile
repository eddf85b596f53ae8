# Two commands on a fresh machine with Python >= 3.11, make and git: `make benchmark` and `make test`.
# VERSIONS says of which libraries: `constrained`, the ones that the results were made and tested with; `lowest`, the
# oldest that pyproject.toml promises; `newest`, what the package index has today. Each has an environment of its own.
PYTHON ?= python3
VERSIONS ?= constrained
VENV ?= .venv$(if $(filter-out constrained,$(VERSIONS)),-$(VERSIONS))
BIN := $(VENV)/bin

PINS_constrained := constraints.txt
PINS_lowest := constraints-lowest.txt
PINS_newest :=
ifeq ($(filter $(VERSIONS),constrained lowest newest),)
$(error VERSIONS=$(VERSIONS): it is constrained, lowest or newest)
endif
PINS := $(PINS_$(VERSIONS))
INSTALL = $(BIN)/pip install -q $(addprefix -c ,$(PINS))

.PHONY: benchmark test thorough test-store faults kills check lint site gpu constraints clean

benchmark: $(VENV)/installed
	$(BIN)/python benchmark.py --suite fer2013

test: $(VENV)/installed-test
	$(BIN)/python -m pytest -n auto --maxprocesses 8 --dist worksteal

# With the large networks too, and all images, of which `make test` looks at some.
thorough: export THOROUGH := 1
thorough: test

# Results in a bucket, with an S3 server that the other tests do without.
test-store: $(VENV)/installed-test
	$(BIN)/pip install -q -e ".[test-store]"
	$(BIN)/python -m pytest tests/benchmarks/store/test_objects.py tests/end_to_end/test_shared_results.py

# 10,000 damaged copies of each kind of file; `make test` tries 200.
faults: $(VENV)/installed-test
	FAULT_TRIALS=10000 $(BIN)/python -m pytest -n auto --maxprocesses 8 --dist worksteal tests/faults

# Runs that are killed, and what is left after the next one; `make test` kills two.
KILLS ?= 500
kills: $(VENV)/installed-test
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.faults.kills $(KILLS)

check: $(VENV)/installed
	$(BIN)/python benchmark.py --check results

lint: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# What minutes of a GPU are best spent on: trains benchmarks/suites/gpu_queue.csv, packs what comes of it into packed/.
# SECONDS_OF_GPU and DATA say how long and where the images are.
SECONDS_OF_GPU ?= 540
gpu: $(VENV)/installed
	$(BIN)/python -m benchmarks.execution.borrowed --seconds $(SECONDS_OF_GPU) $(addprefix --data ,$(DATA))

# The static site that the hosted workflow publishes; look at it by python -m http.server --directory site.
site: $(VENV)/installed
	$(INSTALL) -e ".[use]"
	$(BIN)/python -m benchmarks.publish.site site

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; name one: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
		{ rm -rf $(VENV); echo "python3 -m venv failed: on Debian or Ubuntu, apt install python3-venv"; exit 1; }

$(VENV)/installed: pyproject.toml $(PINS) | $(BIN)/python
	$(INSTALL) -e .
	@touch $@

$(VENV)/installed-test: pyproject.toml $(PINS) | $(BIN)/python
	$(INSTALL) -e ".[test]"
	@touch $@ $(VENV)/installed

$(VENV)/installed-dev: pyproject.toml $(PINS) | $(BIN)/python
	$(INSTALL) -e ".[dev]"
	@touch $@ $(VENV)/installed $(VENV)/installed-test

# Writes both constraints files: constraints.txt for every Python and platform at once, constraints-lowest.txt for the
# oldest Python. What stands in constraints.txt stays where pyproject.toml allows; `make constraints UPGRADE=1` takes
# today's newest. The extras `speed` and `test-store` are left out: they hold back pandas, pydantic and others. So are
# CUDA's libraries and triton: each build of torch names its own, exactly. torch stands there by its public version alone,
# which every build of it meets (2.14.1 from the index, 2.14.1+cpu, 2.14.1+cu126, ...): who has one of them installed
# first keeps it. Who has another version of torch and wants to keep it installs without constraints: `pip install -e .`.
UV := $(VENV)/uv/bin/uv
COMPILE = UV_CUSTOM_COMPILE_COMMAND="make constraints" $(UV) pip compile pyproject.toml --quiet --no-annotate \
	--python-version 3.11 --extra dev --extra download --extra store --extra weights
BUILD_OF_TORCH := ^(cuda|nvidia)-|^triton=

constraints: $(UV)
	$(COMPILE) --universal --fork-strategy fewest $(if $(UPGRADE),--upgrade) --output-file constraints.txt
	$(COMPILE) --python-platform linux --resolution lowest-direct --upgrade --output-file constraints-lowest.txt
	@for file in constraints.txt constraints-lowest.txt; do \
		grep -vE "$(BUILD_OF_TORCH)" $$file > $$file.part && mv $$file.part $$file; done

$(UV):
	@$(PYTHON) -m venv $(VENV)/uv
	@$(VENV)/uv/bin/pip install -q uv

clean:
	rm -rf .venv .venv-lowest .venv-newest $(VENV) build site *.egg-info .pytest_cache .mypy_cache .ruff_cache
