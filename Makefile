# Needs python3 (3.11 or newer) with its venv module; `make native` also needs cmake and a C++ compiler.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# Installing builds the native library, where there is a compiler: it is done again when one of these changes.
INSTALLED := pyproject.toml hatch_build.py kernels/compile_flags.txt $(wildcard kernels/*.cpp kernels/*.h)

.PHONY: setup demo test check bench native clean

setup: $(VENV)/installed-dev

$(VENV)/created:
	$(PYTHON) -m venv $(VENV)
	touch $@

$(VENV)/installed: $(INSTALLED) $(VENV)/created
	$(BIN)/python -m pip install --quiet --editable .
	touch $@

$(VENV)/installed-dev: $(INSTALLED) $(VENV)/created
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@ $(VENV)/installed

demo: $(VENV)/installed
	$(BIN)/python examples/demo.py

test: $(VENV)/installed-dev
	$(BIN)/python -m pytest

check: $(VENV)/installed-dev
	$(BIN)/python -m ruff check .
	$(BIN)/python -m ruff format --check .
	$(BIN)/python -m mypy

bench: $(VENV)/installed-dev
	$(BIN)/python -m benchmarks

native:
	cmake -S . -B build -DCMAKE_BUILD_TYPE=Release
	cmake --build build --parallel
	ctest --test-dir build --output-on-failure

clean:
	rm -rf $(VENV) build dist demo
	rm -f engine/native/libmien.*
