# ferula: a thin door to meson. `make run` and `make test` install what is missing first.

BUILD_PACKAGES = gcc g++ meson ninja-build pkg-config libmicrohttpd-dev libcurl4-gnutls-dev \
	liblz4-dev libyaml-dev libre2-dev libsnappy-dev zlib1g-dev libdeflate-dev \
	libxxhash-dev nettle-dev libzstd-dev python3
TEST_PACKAGES = $(BUILD_PACKAGES) check
PEER_PACKAGES = $(TEST_PACKAGES) prometheus prometheus-node-exporter prometheus-alertmanager \
	rabbitmq-server python3-prometheus-client chromium chromium-driver fonts-dejavu-core
BENCH_PACKAGES = $(PEER_PACKAGES) victoria-metrics
FUZZ_PACKAGES = $(TEST_PACKAGES) clang libclang-rt-14-dev

PORT ?= 9090
DATA ?= data
PREFIX ?= /usr/local
FUZZ_SECONDS ?= 600

RELEASE = build/release
SANITIZE = build/sanitize
THREAD = build/thread
# The thread sanitizer does not get along with addresses that are as random as newer kernels make them.
FIXED_ADDRESSES = $(shell setarch -R true 2>/dev/null && echo setarch -R)
FUZZ = build/fuzz
RACES = base/memory_budget base/queue model/symbols promql/lookahead promql/turns tsdb/collect_race \
	tsdb/exemplars tsdb/head_seal tsdb/index_leaves tsdb/isolation tsdb/maintenance tsdb/upkeep_race \
	tsdb/wal_tail

.PHONY: run build test test-thread test-races thread-setup test-peers bench fuzz install clean

run: build
	@server/run.sh $(RELEASE)/server/ferula $(PORT) $(DATA)

build:
	@tests/install.sh $(BUILD_PACKAGES)
	@test -f $(RELEASE)/build.ninja || meson setup $(RELEASE) --buildtype=release -Dtests=false >/dev/null
	@ninja -C $(RELEASE) --quiet

# Unit tests, fuzz corpora, tidy and the end-to-end tests that need no peers; sanitizers on.
test:
	@tests/install.sh $(TEST_PACKAGES)
	@test -f $(SANITIZE)/build.ninja || meson setup $(SANITIZE) --buildtype=debugoptimized \
		-Db_sanitize=address,undefined -Db_lundef=false >/dev/null
	@ninja -C $(SANITIZE) --quiet
	@meson test -C $(SANITIZE) --no-rebuild --print-errorlogs

# Everything under ThreadSanitizer; tests of exact times may fail for slowness.
test-thread: thread-setup
	@ninja -C $(THREAD) --quiet
	@$(FIXED_ADDRESSES) meson test -C $(THREAD) --no-rebuild --print-errorlogs

# What is made for it: threads that append, query, cut, merge, delete and collect at once.
test-races: thread-setup
	@ninja -C $(THREAD) --quiet $(foreach test,$(RACES),tests/$(dir $(test))test_$(subst /,_,$(test)))
	@$(FIXED_ADDRESSES) meson test -C $(THREAD) --no-rebuild --print-errorlogs $(RACES)

thread-setup:
	@tests/install.sh $(TEST_PACKAGES)
	@test -f $(THREAD)/build.ninja || meson setup $(THREAD) --buildtype=debugoptimized \
		-Db_sanitize=thread -Db_lundef=false >/dev/null

# Against real peers of Debian, with the release binary.
test-peers: build
	@tests/install.sh $(PEER_PACKAGES)
	@FERULA_BIN=$(CURDIR)/$(RELEASE)/server/ferula tests/peers/run.sh

bench: build
	@tests/install.sh $(BENCH_PACKAGES)
	@bench/run.sh $(RELEASE)

# Every fuzz target for FUZZ_SECONDS, starting from its corpus.
fuzz:
	@tests/install.sh $(FUZZ_PACKAGES)
	@test -f $(FUZZ)/build.ninja || CC=clang CXX=clang++ meson setup $(FUZZ) -Dfuzz=true \
		-Db_sanitize=address,undefined -Db_lundef=false >/dev/null
	@ninja -C $(FUZZ) --quiet
	@tests/fuzz/run.sh $(FUZZ) $(FUZZ_SECONDS)

# The binaries, the systemd unit, and a first configuration where there is none.
install: build
	install -D -m 755 $(RELEASE)/server/ferula $(DESTDIR)$(PREFIX)/bin/ferula
	install -D -m 755 $(RELEASE)/tool/ferulatool $(DESTDIR)$(PREFIX)/bin/ferulatool
	install -d $(DESTDIR)$(PREFIX)/lib/systemd/system
	sed 's|@PREFIX@|$(PREFIX)|' packaging/ferula.service >$(DESTDIR)$(PREFIX)/lib/systemd/system/ferula.service
	test -e $(DESTDIR)/etc/ferula/prometheus.yml || \
		install -D -m 644 packaging/prometheus.yml $(DESTDIR)/etc/ferula/prometheus.yml

clean:
	rm -rf build
