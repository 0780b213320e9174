# SPDX-License-Identifier: GPL-2.0
# Commands of this repository; "make help" lists them.

# "make run SHELL=1" asks for a shell, but SHELL is also the program that make
# runs every recipe with: take the wish out of it.
ifeq ($(origin SHELL),command line)
export RUN_SHELL := $(SHELL)
endif
override SHELL := /bin/sh

# These are for our scripts, not for the kernel's own make that they call.
export KERNEL TREE OUT RACES_SECONDS
MAKEOVERRIDES =
unexport MAKEFLAGS MFLAGS

.PHONY: help run pressure races locks test test-full test-sim test-kunit test-apply test-series apply unapply \
	series check-series bench check gdb clean

help: ## list the commands
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 16
	@echo
	@echo 'KERNEL=DIR: use this Linux 7.3 tree (left untouched) instead of Debian'"'"'s source.'

run: ## build Linux with our allocator, boot it in QEMU under load, show what happened (SHELL=1: stay in it)
	@dev/run.sh

pressure: ## the same with little memory, taken until nothing is left
	@dev/run.sh pressure

races: ## the same with everything at once: hotplug, shrinkers, modules... (SECONDS=60 SEED=N)
	@dev/run.sh races "$(SECONDS)" "$(SEED)"

locks: ## how long two CPUs wait for each other's locks, stock and ours
	@dev/locks.sh

test: ## run all tests; ends in "N passed, N failed"
	@dev/test.sh

test-full: ## the same on every machine, under every checker, and an hour of races (RACES_SECONDS=3600)
	@dev/test.sh full

test-sim: ## only the tests of the allocator's source in userspace
	@dev/test.sh sim

test-kunit: ## only the KUnit tests, in UML and QEMU
	@dev/test.sh kunit

test-apply: ## only the tests of apply, unapply
	@dev/test.sh apply

test-series: ## only the tests of the mail series
	@dev/test.sh series

apply: ## patch the pristine Linux 7.3 tree TREE=DIR
	@dev/packages.sh apply && dev/apply.py apply

unapply: ## take it back from TREE=DIR
	@dev/packages.sh apply && dev/apply.py unapply

series: ## write the patches to be mailed to OUT=DIR (default: series/out)
	@dev/packages.sh source && dev/get-linux.sh $${KERNEL:+"$$KERNEL"} && dev/series.py

check-series: ## build and boot every step of the series (slow)
	@dev/check-series.sh

bench: ## measure stock against ours; table, CSV and SVG
	@dev/bench.sh

check: ## checkpatch, kernel-doc, rst, W=1, coccicheck and overlap on our files
	@dev/check.sh

gdb: ## compare what gdb's lx-vmallocinfo finds with /proc/vmallocinfo, in a UML kernel
	@dev/gdb.sh

clean: ## remove what was built; downloads stay in the cache
	@rm -rf build series/out tools/testing/percpu/out tools/testing/vmalloc/out \
		tools/testing/vmalloc/parts/out
