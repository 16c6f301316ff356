# Every target does its own set-up. `make help` lists them.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := build

# mkntfs, sgdisk, mkfs.vfat and veritysetup live where a plain user's PATH does not look.
export PATH := $(PATH):/usr/local/sbin:/usr/sbin:/sbin

VERSION  := $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
FUZZTIME ?= 10m

# The desktop draws with OpenGL ES in an X11 window: what it needs to build is everywhere, and builds in a minute. One set
# of tags for everything, as another would build Fyne's C code once more.
export GOFLAGS := -tags=x11,gles

DEMO_PACKAGES  := ca-certificates curl dosfstools gdisk libxml2-utils mtools ntfs-3g openssl qemu-utils swtpm swtpm-tools tpm2-tools \
	wimtools xmlsec1
TEST_PACKAGES  := $(DEMO_PACKAGES) cloud-init cryptsetup-bin dislocker e2fsprogs fdisk gcc libbde-utils libc6-dev libtss2-tcti-swtpm0 \
	libvhdi-utils perl-base python3-cryptography python3-yaml util-linux xxd xz-utils
GUI_PACKAGES   := gcc libc6-dev libgl-dev libgles-dev libx11-dev libxcursor-dev libxi-dev libxinerama-dev libxrandr-dev libxxf86vm-dev \
	pkg-config
WINDOW_PACKAGES := gir1.2-gtk-3.0 imagemagick openbox python3-gi tesseract-ocr tesseract-ocr-eng xdotool xvfb
SHOT_PACKAGES  := dosfstools fonts-ipafont-gothic gdisk mtools ntfs-3g qemu-utils wimtools
BENCH_PACKAGES := ca-certificates cryptsetup-bin dislocker fio gdisk openssl qemu-utils swtpm swtpm-tools tpm2-tools

.PHONY: help build gui package screenshots test lint cross fuzz bench demo clean

help: ## list the targets
	@sed -nE 's/^([a-z]+):.*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 16

build: ## build the commands into bin/
	CGO_ENABLED=0 go build -trimpath -ldflags '-X main.version=$(VERSION)' -o bin/ ./cmd/scutum ./cmd/hgs ./cmd/hostsim

gui: ## build the desktop into bin/, and open it
	.ci/setup $(GUI_PACKAGES)
	.ci/desktop $(VERSION)
	@if [[ -n $${DISPLAY:-}$${WAYLAND_DISPLAY:-} ]]; then bin/scutum-gui; else echo "There is no screen here. Where there is one: bin/scutum-gui"; fi

package: ## make the Linux package of the desktop, bin/Scutum.tar.xz
	.ci/setup $(GUI_PACKAGES) xz-utils
	.ci/desktop $(VERSION)
	.ci/package

screenshots: ## render every page of the desktop into docs/images
	.ci/setup $(SHOT_PACKAGES)
	mkdir -p docs/images
	rm -f docs/images/*.png
	CGO_ENABLED=0 go test -count 1 -run TestScreens ./gui -args -screenshots '$(CURDIR)/docs/images'

test: ## set up, then run everything that must pass
	.ci/setup $(TEST_PACKAGES) $(GUI_PACKAGES) $(WINDOW_PACKAGES) $(SHOT_PACKAGES)
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

bench: ## measure signing, encrypting and the HGS beside the limits of the machine and other programs
	.ci/setup $(BENCH_PACKAGES)
	go run ./signing/internal/bench
	go run ./vhdx/bitlocker/internal/bench
	go run ./hgsserver/internal/bench
	go test -run '^$$' -bench . ./...

demo: ## sign a template, make shielding data, and release its key to healthy hosts, in demo-out/
	.ci/setup $(DEMO_PACKAGES)
	$(MAKE) --no-print-directory build
	docs/demo/demo.sh
	@echo
	@echo "The same with the mouse: make gui"

clean: ## remove what the other targets made
	rm -rf bin demo-out
