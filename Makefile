# `make demo` shows the main job in two minutes; `make test` proves it. All else is for who works on Spoor.
GO    ?= go
RACE  ?=
ROOM  ?=
COUNT ?= 1
# How long each fuzz target and the soak run.
FUZZTIME ?= 60s
SOAKTIME ?= 1h

# The packages of each room, for `make bench ROOM=…`.
BENCH_trace     = ./internal/message/... ./internal/trace/...
BENCH_intake    = ./internal/listen/... ./abusebox/intake/... ./abusebox/report/...
BENCH_registry  = ./registry/...
BENCH_flowwatch = ./flowwatch/...
BENCH_milter    = ./milter/...
BENCH_desk      = ./abusebox ./abusebox/incident/... ./abusebox/notify/... ./abusebox/store/... ./abusebox/maillog/... ./abusebox/stats/...
BENCH_PKGS      = $(if $(ROOM),$(BENCH_$(ROOM)),$(BENCH_trace) $(BENCH_intake) $(BENCH_registry) $(BENCH_flowwatch) $(BENCH_milter) $(BENCH_desk))

.PHONY: demo build test lint race fuzz bench soak eval peers clean

demo: build
	./spoor demo

build:
	$(GO) build -o spoor ./cmd/spoor

# Everything that this machine can. Tests that need an absent peer are listed at the end; SPOOR_PEERS=require
# installs the peers first (Debian or Ubuntu, as root) and lets no test skip.
test:
	@sh internal/peers/run.sh $(GO) test $(RACE) -count=$(COUNT) -timeout 30m ./...

race:
	@$(MAKE) --no-print-directory test RACE=-race

peers:
	$(GO) run ./internal/peers/install

lint:
	@unformatted=$$(gofmt -l cmd milter abusebox flowwatch registry internal); \
	if [ -n "$$unformatted" ]; then echo "gofmt -w these files:"; echo "$$unformatted"; exit 1; fi
	$(GO) vet ./...
	$(GO) tool staticcheck ./...

# Every fuzz target for FUZZTIME.
fuzz:
	@$(GO) list ./... | while read -r pkg; do \
	  for target in $$($(GO) test -list '^Fuzz' $$pkg | grep '^Fuzz'); do \
	    echo "== $$pkg $$target"; $(GO) test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) -fuzzminimizetime 5s $$pkg || exit 1; \
	  done; done

# Benchmarks, ours and our peers' in the same run; ends with one line for each comparison:
# "ratio NAME VALUE", the peer's cost over ours, so that above 1 is ahead.
bench:
	@out=$$(mktemp); status=0; \
	$(GO) test -run '^$$' -bench . -benchmem -p 1 -timeout 60m $(BENCH_PKGS) 2>&1 | tee $$out || status=1; \
	grep -q '^FAIL' $$out && status=1; \
	echo; grep -ho 'ratio [a-z0-9-]* [0-9.]*' $$out | sort -u; rm -f $$out; exit $$status

# How well the watcher tells spamming hosts from others, on the labelled simulation (synthetic, and it says so).
eval:
	@$(GO) test -count=1 -run '^TestEvaluation' -v ./flowwatch

soak:
	SPOOR_SOAK=$(SOAKTIME) $(GO) test -count=1 -run '^(TestSoak|TestRoundTrip)' -v -timeout 0 ./cmd/spoor ./abusebox/intake/...

clean:
	rm -rf spoor spoor-bgp bin
