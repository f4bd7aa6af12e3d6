# Every target sets itself up: Python packages go to .venv, npm packages to host_tests/node_modules, nothing elsewhere.

PYTHON ?=
PORT ?=
BOARD ?=
SITE ?=
FIRMWARE ?=
ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
TOOLS := $(VENV)/.tools-installed
DEV := $(VENV)/.dev-installed
TYPINGS := $(VENV)/typings/.installed
NODE := host_tests/node_modules/.installed
PIP := $(BIN)/python -m pip --disable-pip-version-check install

export PATH := $(CURDIR)/$(BIN):$(PATH)
export PYRIGHT_PYTHON_IGNORE_WARNINGS := 1

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test lint soak fuzz bench selftest sim build flash deploy provision clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-10s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
	@echo
	@echo "  PORT is a serial port, or 'virtual', or 'virtual:DIR': the board of tap and sim for the site DIR. ARGS is handed on to the program that is run."

demo: $(TOOLS) ## set up a site, deploy to a virtual board, tap tickets, compare with what should happen
	@$(BIN)/python -m tools demo $(ARGS)

# Three workers keep two cores busy: some tests wait for the clock on the wall.
test: $(DEV) $(NODE) ## run all tests (ARGS='-k name' for some)
	@$(BIN)/python -m pytest -n 3 $(ARGS)

lint: $(DEV) $(TYPINGS) ## check format, style and types
	@failed=0; \
	$(BIN)/ruff format --quiet --check --diff || failed=1; \
	$(BIN)/ruff check --quiet || failed=1; \
	$(BIN)/pyright --pythonpath $(BIN)/python || failed=1; \
	$(BIN)/pyright --project pyright-device.json || failed=1; \
	exit $$failed

soak: $(DEV) $(NODE) ## run all tests, the long way: hours
	@$(BIN)/python -m pytest --soak --timeout 0 $(ARGS)

fuzz: $(DEV) ## a million inputs for the parsers of foreign bytes (ARGS='ndef_message --inputs 10000' for some)
	@$(BIN)/python -m host_tests.fuzz $(ARGS)

bench: $(DEV) ## measure; PORT=… on a board, else here
	@$(BIN)/python -m tools bench $(if $(PORT),--port "$(PORT)") $(ARGS)

selftest: $(TOOLS) ## PORT=…: test each part of a board (ARGS=--energise: its relay too)
	$(call need,PORT)
	@$(BIN)/python -m tools selftest --port "$(PORT)" $(ARGS)

sim: $(TOOLS) ## a virtual board to play with: tap cards on it, watch its lights and relay
	@$(BIN)/python -m tools sim $(ARGS)

build: $(TOOLS) ## BOARD=…: compile the firmware for a board, make its images, show their sizes
	$(call need,BOARD)
	@$(BIN)/python -m tools build --board "$(BOARD)" $(ARGS)

flash: $(TOOLS) ## BOARD=… PORT=… FIRMWARE=…: write MicroPython to a board (ARGS=--factory: and this firmware)
	$(call need,BOARD)
	$(call need,PORT)
	@$(BIN)/python -m tools flash --board "$(BOARD)" --port "$(PORT)" $(if $(FIRMWARE),--firmware "$(FIRMWARE)") $(ARGS)

deploy: $(TOOLS) ## BOARD=… PORT=…: put the firmware on a board
	$(call need,BOARD)
	$(call need,PORT)
	@$(BIN)/python -m tools deploy --board "$(BOARD)" --port "$(PORT)" $(ARGS)

provision: $(TOOLS) ## SITE=… PORT=…: put a site's config and keys on a board
	$(call need,SITE)
	$(call need,PORT)
	@$(BIN)/python -m tools provision --site "$(SITE)" --port "$(PORT)" $(ARGS)

clean: ## remove everything that make has made
	@rm -rf $(VENV) host_tests/node_modules build .cache .pytest_cache .ruff_cache .hypothesis .virtual
	@find firmware tools host_tests boards -name __pycache__ -type d -prune -exec rm -rf {} + 2>/dev/null || true

need = @test -n "$($1)" || { echo "make $@: $1=… is missing (make help)" >&2; exit 2; }

$(VENV)/pyvenv.cfg:
	@for python in $(PYTHON) python3.13 python3.12 python3.11 python3; do \
	    "$$python" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null || continue; \
	    case "$$(uname -sm)" in "Linux x86_64" | "Darwin arm64") ;; \
	        *) echo "MicroPython comes for Linux x86-64 and macOS arm64 only; this is $$(uname -sm)." >&2; exit 1 ;; esac; \
	    "$$python" -m venv $(VENV) >$(VENV).log 2>&1 && rm $(VENV).log && exit 0; \
	    cat $(VENV).log >&2; rm -rf $(VENV) $(VENV).log; exit 1; \
	done; \
	echo "Python 3.11, 3.12 or 3.13 is needed; none was found (PYTHON=/path/to/python names one)." >&2; exit 1

# pip shows its progress to people and is quiet in logs.
quiet = $$([ -t 2 ] || echo --quiet)

$(TOOLS): tools/requirements.txt | $(VENV)/pyvenv.cfg
	@echo "Installing the tools' packages into $(VENV) …"
	@$(PIP) $(quiet) -r $<
	@touch $@

$(DEV): requirements-dev.txt host_tests/peers/requirements.txt $(wildcard tools/*-requirements.txt) $(TOOLS)
	@echo "Installing what tests and checks need into $(VENV) (about 130 MB) …"
	@$(PIP) $(quiet) -r $<
	@$(PIP) --quiet --no-deps -r host_tests/peers/requirements.txt
	@touch $@

$(TYPINGS): host_tests/typings/requirements.txt | $(VENV)/pyvenv.cfg
	@rm -rf $(@D)
	@$(PIP) --quiet --no-deps --target $(@D) -r $<
	@touch $@

$(NODE): host_tests/package-lock.json
	@if command -v npm >/dev/null; then \
	    echo "Installing MicroPython for wasm32 into host_tests/node_modules …"; \
	    npm ci --prefix host_tests --loglevel=error --no-progress >/dev/null && touch $@; \
	else \
	    echo "No node and npm on this machine: the 32-bit runs will be skipped."; \
	fi
