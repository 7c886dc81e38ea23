# The commands of this project. Each is one script below lab/ or one call of cargo; `make` alone lists them.

.PHONY: help demo test check simulate lab-up lab-down bench

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' Makefile | expand -t 12

demo: ## from nothing to a customer's login page over https, on this machine (as root; DEMO_KEEP=1 leaves it running)
	@lab/demo

test: ## every test, on a lab of its own (as root; ARGS="journey" runs those with that name, LAB_KEEP=1 leaves the lab running)
	@lab/test $(ARGS)

check: ## format, lints, and the tests that need no lab
	@lab/check

simulate: ## random courses on a rehearsed world for an hour, or for INNKEEPER_SIMULATE_S seconds; INNKEEPER_SEED=… replays one
	@INNKEEPER_SIMULATE_S=$${INNKEEPER_SIMULATE_S:-3600} cargo test --locked --profile simulate --test it simulate:: -- --nocapture

lab-up: ## starts PostgreSQL, nginx, Pebble and Docker under target/lab (as root; repeatable)
	@lab/install
	@lab/up

lab-down: ## stops what lab-up started (repeatable)
	@lab/down

bench: ## the benchmarks, a line a figure: name value unit (as root; the last ones on a lab of its own)
	@lab/install
	@cargo bench --quiet --locked --bench '*'
	@lab/test journey::one_customer contract::engine::lab::cost --no-capture 2>/dev/null | grep --text --only-matching --extended-regexp '(drop_to_ready|no_change|usage)_[a-z0-9_]+ [0-9.]+ [a-z]+'
