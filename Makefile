# Everything a developer, a user's first minute and CI need. PYTHON and VENV can be set.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help demo test lint format test-interop fuzz dist figures bench threads ablation grid best pretrained lecture hooks clean

help:  ## show this
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

# Old pips know no dependency groups; and none compiles what it leaves in its place, which would cost every start.
$(VENV)/.installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet --editable .
	$(BIN)/python -m compileall -q digitnet
	touch $@

$(VENV)/.dev: $(VENV)/.installed
	$(BIN)/pip install --quiet --group dev
	touch $@

$(VENV)/.interop: $(VENV)/.installed
	$(BIN)/pip install --quiet --group interop
	touch $@

$(VENV)/.bench: $(VENV)/.installed
	$(BIN)/pip install --quiet --group bench
	touch $@

$(VENV)/.fuzz: $(VENV)/.installed
	$(BIN)/pip install --quiet --group fuzz
	touch $@

demo: $(VENV)/.installed  ## fetch MNIST, train, evaluate, and read real pictures (3 minutes)
	$(BIN)/digitnet fetch
	$(BIN)/digitnet train
	$(BIN)/digitnet eval
	$(BIN)/digitnet predict examples/7.png
	$(BIN)/digitnet predict examples

test: lint  ## lint, types and tests (4 minutes; fetches MNIST)
	$(BIN)/digitnet fetch
	$(BIN)/python -m pytest --numprocesses 2 --dist loadfile

lint: $(VENV)/.dev  ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/.dev  ## put the code into shape
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

test-interop: $(VENV)/.interop  ## do Keras and ONNX Runtime give our answers? (installs them and JAX, 800 MB)
	KERAS_BACKEND=jax $(BIN)/python -m pytest -m interop

FUZZ_SECONDS ?= 600
fuzz: $(VENV)/.fuzz  ## damaged files by the ten thousand, kills by the dozen, a guided fuzzer for FUZZ_SECONDS (20 minutes)
	$(BIN)/digitnet fetch
	$(BIN)/python -m pytest -m fuzz
	$(BIN)/python -m tests.fuzz -max_total_time=$(FUZZ_SECONDS) .fuzz

dist: $(VENV)/.dev  ## build wheel and sdist, look inside, install the wheel elsewhere and use it
	rm -rf dist
	$(BIN)/python -m build --quiet
	$(BIN)/python -m pytest -m dist

figures: $(VENV)/.installed  ## measure the README's figures (10 minutes); PHOTOS=folder adds pictures of yours
	$(BIN)/digitnet fetch
	$(BIN)/python -m benchmarks.figures $(PHOTOS)

lecture: $(VENV)/.installed  ## train the nets that the lecture speaks of, from 1958 to 2014 (half an hour)
	$(BIN)/digitnet fetch
	$(BIN)/python -m benchmarks.lecture

bench: $(VENV)/.bench  ## time training against PyTorch and scikit-learn, and reading against Pillow (20 minutes; installs them)
	$(BIN)/digitnet fetch
	$(BIN)/python -m benchmarks.engine

threads: $(VENV)/.installed  ## what threads cost a server: images per second of one recognizer and several threads (1 minute)
	$(BIN)/python -m benchmarks.threads

ablation: $(VENV)/.installed  ## what each step from picture to ink brings on labelled pictures, PHOTOS=folder
	$(BIN)/digitnet fetch
	$(BIN)/python -m benchmarks.ablation $(PHOTOS)

grid: $(VENV)/.installed  ## draw digits as each kind of distortion makes them, to distortions.png
	$(BIN)/digitnet fetch
	$(BIN)/python -m benchmarks.grid

best: $(VENV)/.installed  ## train the best single network to models/best.h5 and evaluate it (20 minutes)
	$(BIN)/digitnet fetch
	$(BIN)/digitnet train --preset best --output models/best.h5
	$(BIN)/digitnet eval --model models/best.h5

# One thread, which is no slower here: the same bytes however many cores there are.
pretrained: $(VENV)/.installed  ## train the model that ships (half an hour)
	$(BIN)/digitnet fetch
	OPENBLAS_NUM_THREADS=1 $(BIN)/digitnet train --preset pretrained --output models/pretrained.h5

hooks: $(VENV)/.dev  ## check style and types before each commit
	$(BIN)/pre-commit install

clean:  ## remove what was built, not data or models
	rm -rf $(VENV) dist .fuzz .hypothesis .mypy_cache .pytest_cache .ruff_cache
