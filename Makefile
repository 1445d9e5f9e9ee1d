# make demo: the whole chain on the embedded example, host and emulated Cortex-M4.   make test: everything that is checked.

PYTHON ?= python3
VENV ?= .venv
JOBS ?= 2
BIN := $(VENV)/bin

# probe=package: a command or a file, and the Debian package that brings it; what a package only recommends is named too.
# tests/scripts/test_tools.py checks that whatever the tests use is named here.
DEMO_TOOLS := gcc=gcc /usr/include/stdio.h=libc6-dev arm-none-eabi-gcc=gcc-arm-none-eabi \
    /usr/lib/arm-none-eabi/newlib/libc.a=libnewlib-arm-none-eabi qemu-system-arm=qemu-system-arm cmake=cmake ninja=ninja-build
DOCS_TOOLS := doxygen=doxygen
TEST_TOOLS := $(DEMO_TOOLS) $(DOCS_TOOLS) git=git clang=clang /usr/lib/llvm-*/lib/clang/*/lib/linux/libclang_rt.fuzzer-x86_64.a=libclang-rt-14-dev \
    g++=g++ qemu-aarch64=qemu-user gdb-multiarch=gdb-multiarch node=nodejs npm=npm chromium=chromium \
    riscv64-unknown-elf-gcc=gcc-riscv64-unknown-elf qemu-system-riscv32=qemu-system-misc xtensa-lx106-elf-gcc=gcc-xtensa-lx106 arduino-builder=arduino-builder \
    aarch64-linux-gnu-gcc=gcc-aarch64-linux-gnu /usr/aarch64-linux-gnu/include/stdio.h=libc6-dev-arm64-cross \
    arm-linux-gnueabihf-gcc=gcc-arm-linux-gnueabihf /usr/arm-linux-gnueabihf/include/stdio.h=libc6-dev-armhf-cross

.PHONY: docs demo test boards fresh pythons lint types check-c pytest install tools-demo tools-docs tools-test rp2040js clean help

help:
	@echo "make demo   certify ten images on the host and on an emulated Cortex-M4, compare, plot (into demo/)"
	@echo "make test   install every extra, lint, type-check, run all tests"
	@echo "make boards the demo model on every board: build, audit, run, compare every count; writes README's table (ten minutes)"
	@echo "make fresh  make demo and make test on a bare Debian root, as on a machine that has nothing yet (root; mmdebstrap)"
	@echo "make pythons  the core's tests on every other Python that is found here"
	@echo "make docs   the documentation as a site (into site/)"
	@echo "make clean  remove demo/, build outputs and caches (keeps $(VENV))"

# the documentation as a site (into site/), the reference of the C interface in it; a link that leads nowhere fails, and so
# does a name, a parameter or a result of the C headers that is not documented
docs: $(VENV)/.all | tools-docs
	$(BIN)/python -m mkdocs build --strict
	doxygen scripts/Doxyfile

demo: $(VENV)/.core | tools-demo
	$(BIN)/python scripts/demo.py

test: $(VENV)/.all | tools-test rp2040js
	$(MAKE) lint types pytest

# the table shows what was seen, also where a board failed
boards: $(VENV)/.all | tools-test rp2040js
	$(BIN)/python scripts/run_boards.py; seen=$$?; $(BIN)/python scripts/boards_table.py --write && exit $$seen

fresh:
	@JOBS=$(JOBS) scripts/fresh

# pyenv's own are found where it keeps them
pythons:
	@JOBS=$(JOBS) scripts/pythons $(or $(PYTHONS),python3.10 python3.12 python3.13)

lint:
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/clang-format --dry-run --Werror $$(find firmware examples -name '*.[ch]')

types:
	$(BIN)/mypy

pytest:
	$(BIN)/pytest -n $(JOBS) --dist loadgroup

tools-demo:
	@scripts/debian-packages $(DEMO_TOOLS)

tools-docs:
	@scripts/debian-packages $(DOCS_TOOLS)

tools-test:
	@scripts/debian-packages $(TEST_TOOLS)

rp2040js: $(VENV)/.all | tools-test
	@scripts/rp2040js $(BIN)/python

$(BIN)/python:
	@$(PYTHON) -c "import ensurepip" 2>/dev/null || scripts/debian-packages /nonexistent=python3-venv
	$(PYTHON) -m venv $(VENV)

$(VENV)/.core: pyproject.toml | $(BIN)/python
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[report]'
	@touch $@

# torch first and by itself: resolved together with the rest it can bring gigabytes of CUDA packages
$(VENV)/.all: pyproject.toml | $(BIN)/python
	$(BIN)/pip install --quiet --disable-pip-version-check torch==2.13.0
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[all,dev]'
	@touch $@ $(VENV)/.core

install: $(VENV)/.all

clean:
	rm -rf demo fresh build dist site .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +
