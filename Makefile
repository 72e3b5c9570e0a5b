# Each target sets up what it needs: a fresh clone needs nothing but Python >= 3.11.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PLUGINS := $(wildcard plugins/*/pyproject.toml)

.PHONY: demo test lint unit tutorials notebooks clean

demo: $(VENV)/installed  ## run the main job, from files to an ensemble in geomodel formats
	$(BIN)/gempy-gan demo --out demo --overwrite

test: lint unit  ## everything that must hold

lint: $(VENV)/installed
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

unit: $(VENV)/installed
	$(BIN)/python -m pytest

tutorials: $(VENV)/installed  ## run every tutorial; a warning is a failure
	$(BIN)/python tutorials/build.py

notebooks: $(VENV)/installed  ## run them as notebooks, and keep these with their outputs
	$(BIN)/python tutorials/build.py --notebooks

$(VENV)/installed: pyproject.toml constraints.txt $(PLUGINS)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[formats,viewer,test]" \
		$(foreach plugin,$(PLUGINS),--editable $(dir $(plugin)))
	touch $@

clean:
	rm -rf $(VENV) demo
