# `make` alone prints what there is to type.

SHELL := /bin/bash
.DEFAULT_GOAL := help
CARGO ?= cargo
# Wherever cargo builds to; it compiles what is stale first.
SER = $(CARGO) run --release --bin ser $(if $(FEATURES),--features $(FEATURES)) --

# What features, train, evaluate, report, all and plan understand; demo takes JOBS, DATASET and EXPERIMENT, corpora DATASET and CORPORA_DIR.
DATASET ?=
EPOCHS ?=
BATCH ?=
SEED ?=
JOBS ?=
CORPORA_DIR ?=
PROTOCOL ?=
EXPERIMENT ?=
DEVICE ?=
# To make, AS is the assembler unless somebody says otherwise.
ifeq ($(origin AS),default)
AS =
endif

# What bench, bench-peers and bench-predict understand.
ROUNDS ?=
CORPUS ?=
MODEL ?=
EVERY ?=
ONLY ?=
QUICK ?=
PYTHON ?= python3.11
PEERS ?=
BENCH_OPTIONS = $(if $(CORPORA_DIR),--corpora '$(CORPORA_DIR)') $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(EVERY),--every $(EVERY)) \
  $(if $(ONLY),--only $(ONLY)) $(if $(QUICK),--quick)

# Without DATASET all pipelines run; a corpus that is not there is then a warning and a line in its report, not an error.
PIPELINES = $(or $(DATASET),demo ravdess emodb iemocap iemocap-improvised)
OPTIONS = $(if $(DATASET),,--skip-missing) \
  $(if $(EPOCHS),--set train.epochs=$(EPOCHS)) $(if $(BATCH),--set train.batch_size=$(BATCH)) \
  $(if $(SEED),--set 'seeds=[$(SEED)]') $(if $(JOBS),--jobs $(JOBS)) \
  $(if $(CORPORA_DIR),--corpora-dir '$(CORPORA_DIR)') $(if $(PROTOCOL),--protocol '$(PROTOCOL)') \
  $(if $(DEVICE),--device $(DEVICE)) $(if $(AS),--as '$(AS)') $(foreach name,$(EXPERIMENT),--experiment $(name))
# What results runs: all of it that stands in RESULTS.md. The others are RESULTS_PIPELINES='emodb-2s emodb-520 emodb-steps ravdess-steps'.
RESULTS_PIPELINES ?= ravdess emodb emodb-four cross-corpus
# A GPU is a part of the build, too.
FEATURES = $(filter cuda wgpu,$(DEVICE))

.PHONY: help build demo features train evaluate report all plan results example corpora test test-python test-browser lint picture bench bench-peers bench-kernels bench-pitch bench-predict bench-scale doc book clean

help: ## This text
	@echo "ser: speech-emotion-recognition results from recorded speech"
	@echo
	@awk 'BEGIN {FS = ":.*## "} /^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' $(MAKEFILE_LIST)
	@echo
	@echo "  DATASET=ravdess      one pipeline (pipelines/*.toml); without it all whose corpus is there"
	@echo "  EXPERIMENT='a b'     these experiments, where a pipeline has them, instead of its default ones"
	@echo "  PROTOCOL=group-kfold:5  stratified-kfold:N group-kfold:N leave-one-speaker-out"
	@echo "                       leave-one-session-out hold-out:0.2 published:emobox"
	@echo "  DEVICE=wgpu          train networks there: cpu, burn-flex, or a GPU by cuda or wgpu (compiles ser for it)"
	@echo "  EPOCHS=15 BATCH=64 SEED=0 JOBS=2 CORPORA_DIR=/path/to/corpora"
	@echo "  AS=name              EPOCHS, BATCH, SEED, PROTOCOL and DEVICE make a variant such as ravdess@epochs-15; this names it"
	@echo "  ROUNDS=5 EVERY=7     bench: rounds, and every which recording the peers read; QUICK=1 shows that it works"
	@echo "  ONLY=features,training,inference,rerun,engine"
	@echo "  ONLY=classical       bench: the classical models beside scikit-learn, which PYTHON has to have"
	@echo "  ONLY=encoders        bench: speech encoders beside transformers and onnxruntime, which PYTHON has to have"
	@echo "  PYTHON=python3.11    bench-peers; PEERS='opensmile torch' makes these alone"
	@echo
	@echo "  make train DATASET=ravdess EPOCHS=15 BATCH=64"

build: ## Compile the program (release)
	@$(CARGO) build --release --bin ser $(if $(FEATURES),--features $(FEATURES))

# Always the same experiments with the same settings, so that it needs nothing but a core or more; `make all DATASET=demo` takes the rest.
# With DATASET the pipeline of that corpus, or a proposed one, on generated recordings in the corpus's layout, with results of its own.
DEMO = $(filter-out demo,$(DATASET))
GENERATED = data/corpora/generated
demo: ## Generate a small corpus, run everything on it, write reports/demo/index.html (takes JOBS, DATASET: in the layout of that corpus)
ifeq ($(DEMO),)
	@$(SER) run demo $(if $(JOBS),--jobs $(JOBS))
else
	@test -e '$(GENERATED)/$(DEMO)' || { rm -rf '$(GENERATED)/$(DEMO).part' && $(SER) corpus generate --layout '$(DEMO)' '$(GENERATED)/$(DEMO).part' && \
	  mv '$(GENERATED)/$(DEMO).part' '$(GENERATED)/$(DEMO)'; }
ifneq ($(wildcard pipelines/$(DEMO).toml),)
	@$(SER) run '$(DEMO)' --set 'corpus.root=$(GENERATED)/$(DEMO)' --as generated \
	  $(foreach name,$(or $(EXPERIMENT),svm svm-speaker-independent majority),--experiment $(name)) $(if $(JOBS),--jobs $(JOBS))
else
	@test -e '$(GENERATED)/pipelines/$(DEMO)-generated.toml' || $(SER) corpus init '$(GENERATED)/$(DEMO)' --name '$(DEMO)-generated' --pipelines-dir '$(GENERATED)/pipelines'
	@$(SER) run '$(DEMO)-generated' --pipelines-dir '$(GENERATED)/pipelines' $(foreach name,$(EXPERIMENT),--experiment $(name)) $(if $(JOBS),--jobs $(JOBS))
endif
endif

features: ## Corpus -> data/tables/<pipeline>/features.parquet
	@$(SER) features $(PIPELINES) $(OPTIONS)

train: ## ... -> data/models/<pipeline>/
	@$(SER) train $(PIPELINES) $(OPTIONS)

evaluate: ## ... -> data/tables/<pipeline>/{predictions,metrics}.parquet
	@$(SER) evaluate $(PIPELINES) $(OPTIONS)

report: ## ... -> reports/<pipeline>/index.html and CSV files
	@$(SER) report $(PIPELINES) $(OPTIONS)

all: ## Every stage, and reports/index.html
	@$(SER) run $(PIPELINES) $(OPTIONS)

plan: ## What would run, and why
	@$(SER) plan $(PIPELINES) $(OPTIONS)

results: ## Run what stands in RESULTS.md, and write it (takes RESULTS_PIPELINES JOBS CORPORA_DIR)
	@$(SER) run $(RESULTS_PIPELINES) --experiment default --experiment paper --skip-missing $(if $(JOBS),--jobs $(JOBS)) $(if $(CORPORA_DIR),--corpora-dir '$(CORPORA_DIR)')
	@$(SER) results $(RESULTS_PIPELINES) --no-variants -o RESULTS.md

EXAMPLE := svm svm-speaker-independent functionals-lda functionals-lda-speaker-independent majority
example: ## The report of five experiments on RAVDESS -> reports/ravdess-example, which is part of the repository (three minutes, takes CORPORA_DIR)
	@$(SER) run ravdess $(EXAMPLE:%=--experiment %) $(if $(CORPORA_DIR),--corpora-dir '$(CORPORA_DIR)')
	@reports/example.sh reports/ravdess reports/ravdess-example

corpora: ## Download a corpus: make corpora DATASET=ravdess (or emodb)
	@test -n '$(DATASET)' || { echo "make corpora needs DATASET=ravdess, emodb or iemocap" >&2; exit 2; }
	@$(SER) corpora $(DATASET) $(if $(CORPORA_DIR),--corpora-dir '$(CORPORA_DIR)')

test: ## All tests (those on recorded speech need SER_CORPORA and SER_GOLDEN)
	@$(CARGO) test --release

test-python: ## Tests of the Python package, and what ser writes opened in pandas, polars, DuckDB and PyTorch (installs examples/requirements.txt; several GB)
	@test -x target/python/bin/pip || $(PYTHON) -m venv target/python
	@target/python/bin/pip install --quiet --disable-pip-version-check -r examples/requirements.txt
	@SER_PYTHON='$(CURDIR)/target/python/bin/python' $(CARGO) test --release --test it python:: -- --nocapture

test-browser: demo ## Look at the demo's pages in Chromium, with axe-core (needs node, npm, chromium) -> target/screenshots/
	@tests/browser/run.sh target/screenshots reports

lint: ## rustfmt and clippy, as CI runs them
	@$(CARGO) fmt --check
	@$(CARGO) clippy --release --all-targets -- -D warnings

picture: demo ## The first screen of the demo's report -> docs/figures/report-{light,dark}.png, for the README (needs node, npm, chromium)
	@test -d tests/browser/node_modules || (cd tests/browser && npm ci --no-audit --no-fund --loglevel=error)
	@CHROMIUM="$${CHROMIUM:-$$(command -v google-chrome || command -v chromium)}" node tests/browser/picture.mjs reports/demo/index.html docs/figures

bench: ## ser beside its peers -> reports/bench/index.html (takes ROUNDS EVERY ONLY QUICK CORPORA_DIR; first make bench-peers)
ifeq ($(ONLY),classical)
	@$(CARGO) bench --bench classical -- --python '$(PYTHON)' $(if $(ROUNDS),--rounds $(ROUNDS)) $(if $(QUICK),--quick)
else ifeq ($(ONLY),encoders)
	@$(CARGO) bench --bench encoders -- --python '$(PYTHON)' $(if $(ROUNDS),--rounds $(ROUNDS))
else
	@$(CARGO) bench --bench compare -- $(BENCH_OPTIONS)
endif

bench-peers: ## Install what bench compares with into target/peers/ (Python 3.11 with venv; several GB; takes PYTHON PEERS)
	@benches/peers/install.sh '$(PYTHON)' target/peers $(PEERS)

bench-kernels: ## The parts of feature extraction one by one
	@$(CARGO) bench --bench kernels

bench-predict: ## How much faster than real time ser predict is on one core (takes CORPUS MODEL ROUNDS; without them on made-up voices)
	@$(CARGO) bench --bench predict -- $(if $(CORPUS),--corpus '$(abspath $(CORPUS))') $(if $(MODEL),--model '$(abspath $(MODEL))') $(if $(ROUNDS),--rounds $(ROUNDS))

bench-pitch: build ## Pitch, jitter, shimmer and HNR beside Praat and openSMILE (Python with praat-parselmouth and opensmile; takes PYTHON CORPORA_DIR)
	@$(PYTHON) benches/pitch.py $(foreach corpus,ravdess emodb,$(or $(CORPORA_DIR),data/corpora)/$(corpus))

bench-scale: build ## Time and memory of features against the size of a corpus (needs RAVDESS; docs/scale.md)
	@benches/scale.py $(or $(CORPORA_DIR),data/corpora)/ravdess $(if $(JOBS),--jobs $(JOBS))

doc: ## The library's documentation: doc/ser/index.html where cargo builds
	@$(CARGO) doc --release --no-deps --lib

book: ## The documentation as a site: target/book/html/index.html (needs mdbook)
	@rm -rf target/book && mkdir -p target/book/src
	@git ls-files -z '*.md' CITATION.cff Dockerfile LICENSE-* docs/figures examples .github/workflows ':!docs/SUMMARY.md' ':!.github/ISSUE_TEMPLATE' | xargs -0 tar -cf - | tar -xf - -C target/book/src
	@cp docs/SUMMARY.md target/book/src/
	@mdbook build

clean: ## Remove what is in reports/ and data/{tables,models,variants,cache}; corpora, manifests, plans for clusters and the history of runs stay
	@rm -rf data/tables data/models data/variants data/cache
	@find reports -mindepth 1 -maxdepth 1 ! -name README.md ! -name example.sh ! -name ravdess-example -exec rm -rf {} +
