# The commands of the house. `make demo` and `make test` do all set-up on a fresh Debian 12 or Ubuntu machine.
JOBS ?= $(shell nproc)
BUILD := build

.PHONY: help setup build test demo package package-aarch64 package-jetpack6 bench fuzz format lint asan tsan aarch64 clean

help:
	@grep -E '^[a-z0-9 -]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 18

setup: ## install what is missing (Debian packages)
	@tools/bootstrap.sh build

build: setup ## build Release; leaves the program at build/halftone
	@cmake --preset release >/dev/null
	@cmake --build --preset release -j $(JOBS)

test: build ## build, then run every test
	@ctest --preset release -j $(JOBS)

demo: build ## quantize the miniature LLM to several schemes, print one table, continue a prompt
	@tools/demo.sh $(BUILD)/halftone

package: setup ## a relocatable tarball with all that the program needs but the C library and the NVIDIA driver
	@tools/package.sh $(JOBS)

package-aarch64: ## the same for 64-bit Arm by the cross compiler
	@tools/bootstrap.sh build aarch64
	@tools/package.sh $(JOBS) aarch64

package-jetpack6: ## the same for Jetson Orin under JetPack 6: by the cross compiler and CUDA 12.4, which it fetches
	@tools/bootstrap.sh build aarch64 cuda12
	@tools/package.sh $(JOBS) jetpack6

bench: setup ## micro-benchmarks of the kernels (verify, time, share of the roof)
	@cmake --preset release -DHALFTONE_BENCH=ON >/dev/null
	@cmake --build --preset release -j $(JOBS)
	@for program in gemm operators; do $(BUILD)/bench/$${program}_bench; done

fuzz: ## run each libFuzzer target for 60 s
	@tools/bootstrap.sh build fuzz
	@tools/fuzz.sh 60

format: ## clang-format all sources
	@tools/bootstrap.sh lint
	@git ls-files '*.h' '*.cpp' | xargs clang-format -i

lint: build ## clang-format check, clang-tidy allow-list, include rules
	@tools/bootstrap.sh lint
	@tools/lint.sh $(BUILD)

asan tsan: setup ## the tests under AddressSanitizer + UBSan, or ThreadSanitizer
	@cmake --preset $@ >/dev/null
	@cmake --build --preset $@ -j $(JOBS)
	@ctest --preset $@ -j $(JOBS)

aarch64: ## cross build for 64-bit Arm; unit tests under qemu-user
	@tools/bootstrap.sh build aarch64
	@tools/aarch64.sh

clean: ## remove build folders
	@rm -rf build build-dev build-asan build-tsan build-fuzz build-aarch64 build-package build-package-aarch64 build-package-jetpack6 \
	  build-cuda-12 build-device
