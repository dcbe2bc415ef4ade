# Two commands do everything: `make demo` and `make test`. Both create .venv
# when it is missing or older than the files that say what belongs in it.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
SUITES ?= 2

.PHONY: demo test test-rungs test-examples test-faults test-lecture \
	test-unit test-simulation test-core \
	test-ray simulate notebooks lint setup clean

demo: $(VENV)/ready
	@mkdir -p build
	$(BIN)/minimr wordcount --trace build/demo.jsonl
	@echo "the page of this run: $(BIN)/minimr show build/demo.jsonl"

# Most tests wait for something: two suites at once take half the time. Each
# is a process of its own, for it can have only one Ray.
test: $(VENV)/ready
	$(MAKE) --jobs $(SUITES) --keep-going --output-sync \
		test-rungs test-examples test-faults test-lecture test-unit \
		test-simulation test-core

test-rungs: $(VENV)/ready
	$(BIN)/python -m pytest $(foreach suite,faults lecture simulation unit,\
		--deselect tests/$(suite))

test-core: $(VENV)/ready
	$(BIN)/python -m pytest tests/core -k minimr

test-examples test-faults test-lecture test-simulation test-unit: \
		test-%: $(VENV)/ready
	$(BIN)/python -m pytest tests/$*

# 10,000 schedules of each program of rung 1, and a million states of each
# small part.
simulate: $(VENV)/ready
	$(BIN)/minimr simulate wordcount $(SCHEDULES)
	$(BIN)/minimr simulate parameter-server $(SCHEDULES)
	$(BIN)/minimr simulate --exhaust tracker
	$(BIN)/minimr simulate --exhaust rounds
	$(BIN)/minimr simulate --exhaust references
	$(BIN)/minimr simulate --exhaust lease
	$(BIN)/minimr simulate --exhaust scheduler

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
