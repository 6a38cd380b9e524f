# SPDX-License-Identifier: GPL-3.0-or-later
.DEFAULT_GOAL := help
SHELL := /bin/bash
LAB_NAME ?= lab
# The lab is made of namespaces and mounts: those need root.
ROOT := $(if $(filter 0,$(shell id -u)),,sudo -E --preserve-env=PATH)
BIN := .cache/env/lab/bin
PLAYBOOK := $(ROOT) env PATH="$(CURDIR)/$(BIN):$$PATH" ansible-playbook -i inventories/lab

.PHONY: help
help: ## What each target does
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: ## Raise the lab, run site.yml, verify, send a test alert; run it again at any time
	@$(ROOT) tools/demo

.PHONY: test
test: ## Everything: linters, unit and integration tests, sanity, every Molecule scenario
	@tools/env test
	@$(ROOT) .cache/env/2.19/bin/python tests/run.py $(ARGS)

.PHONY: env
env: ## Install what the lab and the playbooks need on this machine
	@tools/env lab

.PHONY: lab
lab: env ## Raise the lab's hosts and its mail servers
	@$(ROOT) lab/lab up --name $(LAB_NAME)
	@$(PLAYBOOK) lab/playbooks/prepare.yml

.PHONY: site
site: ## Apply the policy to the lab (ARGS="--check --diff" shows what would change)
	@$(PLAYBOOK) playbooks/site.yml $(ARGS)

.PHONY: verify
verify: ## Prove the policy on the lab, changing nothing
	@$(PLAYBOOK) playbooks/verify.yml $(ARGS)

.PHONY: alert
alert: ## Send a test alert from vault1 and follow it into the mailbox
	@$(PLAYBOOK) lab/playbooks/alert.yml $(ARGS)

.PHONY: lab-down
lab-down: ## Remove the lab, leaving nothing behind
	@$(ROOT) lab/lab down --name $(LAB_NAME)

.PHONY: fuzz
fuzz: ## The tunnel's state machine and configuration under hostile input, for long (EXAMPLES=20000 of each law)
	@tools/env test
	@cd tunnel && ALERTPATH_EXAMPLES=$(or $(EXAMPLES),20000) "$(CURDIR)/.cache/env/2.19/bin/python" -m pytest -p no:cacheprovider \
	  --timeout=0 tests/test_corpus.py tests/test_fuzz.py tests/test_config_hostile.py $(ARGS)

.PHONY: bench
bench: ## Benchmarks, each beside its peer in the same run, printed as ratios
	@tools/env test
	@$(ROOT) env PATH="$(CURDIR)/.cache/env/2.19/bin:$$PATH" bash -c 'set -e; for b in tests/bench/*/run.py; do echo "== $$b"; python "$$b"; done'
