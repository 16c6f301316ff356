# Every target does its own set-up. `make help` lists them.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := build

# mkntfs, sgdisk, mkfs.vfat and veritysetup live where a plain user's PATH does not look.
export PATH := $(PATH):/usr/local/sbin:/usr/sbin:/sbin

VERSION  := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
FUZZTIME ?= 10m

DEMO_PACKAGES  := ca-certificates dosfstools gdisk libxml2-utils mtools ntfs-3g openssl qemu-utils wimtools xmlsec1
TEST_PACKAGES  := $(DEMO_PACKAGES) cloud-init cryptsetup-bin dislocker e2fsprogs fdisk gcc libbde-utils libc6-dev libvhdi-utils \
	perl-base python3-cryptography python3-yaml util-linux xxd xz-utils
BENCH_PACKAGES := ca-certificates cryptsetup-bin fio gdisk openssl qemu-utils

.PHONY: help build test lint cross fuzz bench demo clean

help: ## list the targets
	@sed -nE 's/^([a-z]+):.*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

build: ## build the binaries into bin/
	CGO_ENABLED=0 go build -trimpath -ldflags '-X main.version=$(VERSION)' -o bin/ ./cmd/...

test: ## set up, then run everything that must pass
	.ci/setup $(TEST_PACKAGES)
	$(MAKE) --no-print-directory lint cross
	.ci/fuzz 3s
	go test -race -short -timeout 15m ./...
	go test -timeout 15m ./...

lint: ## gofmt, go vet, staticcheck
	@unformatted=$$(gofmt -l .); if [[ -n $$unformatted ]]; then echo "gofmt would change:"; echo "$$unformatted"; exit 1; fi
	go vet ./...
	go tool staticcheck ./...

cross: ## build for linux, darwin and windows on amd64 and arm64
	.ci/cross

fuzz: ## run every fuzz target for FUZZTIME (10m)
	.ci/fuzz $(FUZZTIME)

bench: ## measure signing beside the limits of the machine and other programs
	.ci/setup $(BENCH_PACKAGES)
	go run ./signing/internal/bench
	go test -run '^$$' -bench . ./...

demo: ## sign and verify a template, make and check shielding data, in demo-out/
	.ci/setup $(DEMO_PACKAGES)
	$(MAKE) --no-print-directory build
	docs/demo/demo.sh

clean: ## remove what the other targets made
	rm -rf bin demo-out
