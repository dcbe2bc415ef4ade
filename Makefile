# Two commands do everything: `make demo` and `make test`. Both create .venv
# when it is missing or older than the files that say what belongs in it.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
SUITES ?= 2
SCHEDULES := --seeds 10000 --kill 4 --cut 1 --slow 1 --jobs 2
ALONE  := cli faults examples lecture simulation unit

.PHONY: demo test test-rungs test-core $(ALONE:%=test-%) \
	test-ray simulate notebooks lint setup clean

demo: $(VENV)/ready
	@mkdir -p build
	$(BIN)/minimr wordcount --trace build/demo.jsonl
	@echo "the page of this run: $(BIN)/minimr show build/demo.jsonl"

# Most tests wait for something: two suites at once take half the time. Each
# is a process of its own, for it can have only one Ray. The longest begin, so
# that none is left to the end alone.
test: $(VENV)/ready
	$(MAKE) --jobs $(SUITES) --keep-going --output-sync \
		test-cli test-rungs test-faults test-examples test-lecture \
		test-simulation test-unit test-core

test-rungs: $(VENV)/ready
	$(BIN)/python -m pytest $(filter-out \
		$(patsubst %,tests/%/,__pycache__ core $(ALONE)),\
		$(wildcard tests/*/ tests/test_*.py))

test-core: $(VENV)/ready
	$(BIN)/python -m pytest tests/core -k minimr

$(ALONE:%=test-%): test-%: $(VENV)/ready
	$(BIN)/python -m pytest tests/$*

# 10,000 schedules of each program, and a million states of each small part:
# some hours of each core.
simulate: $(VENV)/ready
	for program in wordcount parameter-server tasks objects nested borrowed \
		actors named-actors placed-actors wordcount-minimr dqn; do \
		$(BIN)/minimr simulate $$program $(SCHEDULES) || exit; done
	for part in tracker rounds references lease scheduler; do \
		$(BIN)/minimr simulate --exhaust $$part || exit; done

# The judge of the suite of the core: the same tests on Ray itself.
test-ray: $(VENV)/ready
	$(BIN)/python -m pytest tests/core -k ray

# The assignment, for students and with solutions, in the folder notebooks.
notebooks: $(VENV)/ready
	$(BIN)/python -m lecture.notebooks.build notebooks

lint: $(VENV)/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

setup: $(VENV)/ready

# PyTorch first and pinned: asked for as a range, it brings gigabytes of CUDA.
$(VENV)/ready: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check \
		"$$(grep '^torch==' constraints.txt)"
	$(BIN)/pip install --quiet --disable-pip-version-check \
		--constraint constraints.txt --editable ".[dev]"
	touch $@

clean:
	rm -rf $(VENV) build *.egg-info
