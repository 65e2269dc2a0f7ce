# make demo and make test need Python 3.11 or newer and make, nothing else: where there is no C
# compiler, installing brings one.
PYTHON ?= python3
# Processes that run the tests.
TEST_JOBS ?= 2

VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check

# The C library, and what it is made of.
NATIVE := bigdata_cli/native/built.json
NATIVE_SOURCES := bigdata_cli/native/compile.py $(wildcard bigdata_cli/native/src/*.[ch])
PLATFORMS := linux-x86_64 linux-aarch64 darwin-x86_64 darwin-aarch64
# What make fuzz gives to tests/fuzz.
FUZZ := --seconds 60
# How long make soak-random runs.
HOURS := 1

.DEFAULT_GOAL := help
.PHONY: help demo recording test coverage lint lint-c lint-types lint-style lint-imports lint-known audit \
    format native wheels check-wheel sanitize fuzz soak soak-random bench bench-quick bench-fraud docs clean

help:
	@echo "make demo         convert the sample data, inspect it, verify it, train on it"
	@echo "make test         lint and tests"
	@echo "make lint         ruff, mypy, import walls, the C library by every compiler there is;"
	@echo "                  what is known of the packages, if online"
	@echo "make audit        fails where a vulnerability of an installed package is known"
	@echo "make format       put the code into the format of ruff and clang-format"
	@echo "make native       compile the C library in place (make test does that by itself)"
	@echo "make wheels       a wheel for each platform, and the source distribution, into dist/"
	@echo "make check-wheel  build a wheel, install it by itself, use it (LOWEST=--lowest, PYTHON=…)"
	@echo "make sanitize     the C library's tests under address and undefined-behaviour sanitizers"
	@echo "make fuzz         damaged input under the sanitizers (FUZZ='--seconds 600 --seed 7')"
	@echo "make coverage     the tests, with the share of the package's lines and branches they run"
	@echo "make soak         the tests that take many minutes and gigabytes of disk"
	@echo "make soak-random  options drawn at random, against a slow reference (HOURS=1)"
	@echo "make bench        speed, size and memory against others (some hours, 15 GB of disk)"
	@echo "make bench-quick  Parquet and the parser on files of 50 MB, once (SHAPES=clicks,pixels)"
	@echo "make bench-fraud  fraud detection in less memory, against others (15 minutes, 2 GB)"
	@echo "make docs         write docs/cli.md, docs/python.md, docs/api.md, the signatures of api.py and the picture"
	@echo "                  in docs/architecture.md"
	@echo "make recording   write docs/recording.svg, the picture of a terminal in the README"
	@echo "make clean        remove what the other targets made"

demo: $(VENV)/.installed-train $(NATIVE)
	@mkdir -p demo
	$(BIN)/bigdata convert sample_data/transactions.csv --to tfrecord --shards 3 --label isFraud \
	    --output demo/transactions-tfrecord --force
	$(BIN)/bigdata inspect demo/transactions-tfrecord
	$(BIN)/bigdata verify demo/transactions-tfrecord
	$(BIN)/bigdata train demo/transactions-tfrecord --label isFraud

# The processes that tests start find the bytecode of what was changed, where containers say not to
# write any.
test coverage: export PYTHONDONTWRITEBYTECODE :=

test: lint
	$(BIN)/python -m pytest -q -n $(TEST_JOBS) --dist loadfile --no-loadscope-reorder
	$(BIN)/python -m tests.instruction_sets --jobs $(TEST_JOBS)

coverage: $(VENV)/.installed-dev $(NATIVE)
	$(BIN)/python -m pytest -q -n $(TEST_JOBS) --dist loadfile --no-loadscope-reorder \
	    --cov --cov-report term:skip-covered

# Side by side, the longest first.
lint: $(VENV)/.installed-dev $(NATIVE)
	@$(MAKE) --no-print-directory -j $(TEST_JOBS) lint-c lint-types lint-style lint-imports lint-known

lint-c:
	$(BIN)/python .ci/lint_c.py

lint-types:
	$(BIN)/mypy

lint-style:
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

lint-imports:
	$(BIN)/lint-imports

lint-known:
	@$(BIN)/python .ci/audit.py

audit: $(VENV)/.installed-dev
	$(BIN)/python .ci/audit.py --strict

format: $(VENV)/.installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/clang-format -i bigdata_cli/native/src/*.[ch]

native: $(VENV)/.created $(NATIVE)

# An old library is put right by the compiler at hand; pip brings one where there is none (status 3).
$(NATIVE): $(NATIVE_SOURCES) | $(VENV)/.created
	@$(BIN)/python -m bigdata_cli.native.compile || \
	    { test $$? -eq 3 && $(INSTALL) --no-deps --editable .; }

# Zig makes the libraries of each system once.
wheels: export ZIG_GLOBAL_CACHE_DIR = $(CURDIR)/build/zig
wheels: $(VENV)/.installed-dev
	$(BIN)/python -m build --quiet --no-isolation --sdist --outdir dist
	for platform in $(PLATFORMS); do \
	    BIGDATA_TARGET=$$platform $(BIN)/python -m build --quiet --no-isolation --wheel \
	        --outdir dist || exit 1; \
	done

check-wheel: $(VENV)/.installed-dev
	rm -rf build/wheel
	$(BIN)/python -m build --quiet --no-isolation --wheel --outdir build/wheel
	$(BIN)/python .ci/check_packages.py build/wheel/*.whl --python $(PYTHON) $(LOWEST)

sanitize: $(VENV)/.installed-dev
	$(BIN)/python -m tests.sanitized -m pytest -q tests/native tests/golden \
	    tests/splits/test_hash_split.py tests/transforms/test_repeated.py

fuzz: $(VENV)/.installed-dev
	$(BIN)/python -m tests.sanitized -m tests.fuzz $(FUZZ)

soak: $(VENV)/.installed-dev $(NATIVE)
	$(BIN)/python -m pytest -m 'slow or soak' --durations=0
	BIGDATA_EXAMPLES=1 $(BIN)/python -m pytest -q -n $(TEST_JOBS) --dist loadfile \
	    --no-loadscope-reorder
	BIGDATA_EXAMPLES=20 $(BIN)/python -m pytest -q -n $(TEST_JOBS) tests/native tests/property \
	    tests/sources/test_csv_oracle.py
	$(BIN)/python -m tests.instruction_sets --jobs $(TEST_JOBS) --examples 1

soak-random: $(VENV)/.installed-dev $(NATIVE)
	$(BIN)/python -m tests.random_options --hours $(HOURS)

bench: $(VENV)/.installed-dev $(NATIVE)
	$(BIN)/python -m benchmarks.speed

bench-quick: $(VENV)/.installed-dev $(NATIVE)
	$(BIN)/python -m benchmarks.speed --quick --shapes '$(SHAPES)'

bench-fraud: $(VENV)/.installed-dev $(NATIVE)
	$(BIN)/python -m benchmarks.fraud

docs: $(VENV)/.installed-dev $(NATIVE)
	$(BIN)/python -m bigdata_cli.cli.reference > docs/cli.md.new
	mv docs/cli.md.new docs/cli.md
	$(BIN)/python -m bigdata_cli.signatures
	$(BIN)/python -m docs.make_api
	$(BIN)/python -m docs.make_architecture

recording: $(VENV)/.installed-dev $(NATIVE)
	$(BIN)/python -m docs.make_recording

clean:
	rm -rf demo build dist .bench .coverage .pytest_cache .mypy_cache .ruff_cache .hypothesis \
	    .import_linter_cache *.egg-info
	find . -name __pycache__ -type d -not -path './$(VENV)/*' -prune -exec rm -rf {} +
	rm -f bigdata_cli/native/*.so $(NATIVE)
	rm -f $(VENV)/.installed-train $(VENV)/.installed-dev

# A stamp says that an installation is complete, so that it is made once.
$(VENV)/.installed-dev: pyproject.toml | $(VENV)/.created
	@echo "Installing what the tests need into $(VENV) (once; a minute or two)"
	@$(INSTALL) --editable '.[dev]'
	@touch $(VENV)/.installed-train $@

$(VENV)/.installed-train: pyproject.toml | $(VENV)/.created
	@echo "Installing bigdata and TensorFlow into $(VENV) (once; a minute or two)"
	@$(INSTALL) --editable '.[train]'
	@touch $@

$(VENV)/.created:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
	    echo "bigdata needs Python 3.11 or newer; $(PYTHON) is" \
	        "$$($(PYTHON) --version 2>/dev/null || echo not there)." >&2; \
	    echo "Name one that is: make $(MAKECMDGOALS) PYTHON=python3.12" >&2; exit 1; }
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv $(VENV)
	@touch $@
