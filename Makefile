# The commands of the README over Meson. `make help` lists them.
BUILD ?= build
ASAN ?= build-asan
PREFIX ?= /usr/local
DATA ?=
NINJA = ninja -C $(BUILD)
PYTHON = tools/python
SOURCES = $(shell git ls-files '*.c' '*.h')
SANITIZE = -Db_sanitize=address,undefined -Dc_args=-fno-sanitize-recover=all -Dbuildtype=debug -Doptimization=1

all: $(BUILD)/build.ninja ## build build/facemask
	@$(NINJA)

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1 /p' Makefile | while read -r name text; do printf '  make %-13s %s\n' "$$name" "$$text"; done

$(BUILD)/build.ninja:
	meson setup $(BUILD) --prefix $(PREFIX)

$(ASAN)/build.ninja:
	meson setup $(ASAN) $(SANITIZE)

packages-%:
	@tools/install-packages $*

demo: packages-build ## explore, train, measure and detect on drawn pictures (or DATA=...), results in demo/
	@$(MAKE) --no-print-directory all
	@tools/demo $(BUILD)/facemask "$(DATA)"

test: packages-test ## build and run every test
	@$(MAKE) --no-print-directory all
	@$(PYTHON) tools/run_tests.py $(BUILD)

parity: packages-test ## the comparisons with other implementations in full length
	@$(MAKE) --no-print-directory all
	@$(PYTHON) tools/run_tests.py $(BUILD) --suite parity --setup full

bench: packages-bench ## how fast this machine trains and detects beside torchvision, ONNX Runtime and OpenVINO (QUICK=--quick)
	@$(MAKE) --no-print-directory all
	@$(PYTHON) bench/compare.py $(BUILD) $(QUICK)

asan: packages-test $(ASAN)/build.ninja ## build and run the tests with the address and undefined behaviour sanitizers
	@ninja -C $(ASAN)
	@LSAN_OPTIONS=suppressions=$(CURDIR)/tests/lsan.supp:print_suppressions=0 $(PYTHON) tools/run_tests.py $(ASAN) --no-suite parity

format: ## lay out all C files by .clang-format
	@clang-format -i $(SOURCES)

check-format: packages-check ## fail when a C file is not laid out so
	@clang-format --dry-run --Werror $(SOURCES)

lint: packages-check $(BUILD)/build.ninja ## clang-tidy, and the project's own rules
	@$(NINJA)
	@$(PYTHON) tools/check_rules.py
	@tools/tidy $(BUILD)

install: all ## install into PREFIX, /usr/local
	meson install -C $(BUILD) --no-rebuild

clean: ## remove what building and the demo made
	rm -rf $(BUILD) $(ASAN) demo

.PHONY: all help demo test parity bench asan format check-format lint install clean
