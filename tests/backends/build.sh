#!/bin/sh
# Build a real Jaeger and a real OpenTelemetry Collector from the Go module proxy, once, into a cache outside
# the repository. Prints one line a backend; the build's own output goes to a log that is named on failure.
set -eu

here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd)
cache=${SPANWARDEN_BACKENDS:-${XDG_CACHE_HOME:-$HOME/.cache}/spanwarden/backends}
. "$here/versions.env"
export GOFLAGS= GOWORK=off # what is built depends on this directory alone

jaeger="$cache/jaeger-$JAEGER_VERSION"
collector="$cache/otelcol-$COLLECTOR_VERSION"

need_go() {
    command -v go >/dev/null 2>&1 && return 0
    echo "make backends needs Go 1.25 or newer on the PATH: see https://go.dev/doc/install" >&2
    exit 1
}

# build NAME TARGET MINUTES FUNCTION: run FUNCTION in an empty directory; it leaves the binary as ./out.
build() {
    if [ -x "$2" ]; then
        echo "$1: there already ($2)"
        return 0
    fi
    need_go
    echo "$1: building, about $3 minutes"
    began=$(date +%s)
    work=$(mktemp -d "$cache/build.XXXXXX")
    trap 'chmod -R u+w "$work"; rm -rf "$work"; exit 130' INT TERM
    # The log stays when the build fails, and goes with the directory when it succeeds.
    if (cd "$work" && "$4") >"$work/log" 2>&1; then
        mv "$work/out" "$2"
        chmod -R u+w "$work" && rm -rf "$work"
        echo "$1: built in $(($(date +%s) - began)) s ($2)"
        return 0
    fi
    tail -n 20 "$work/log" >&2
    echo "$1: the build failed; the whole log is $work/log" >&2
    exit 1
}

build_jaeger() {
    go mod init spanwarden-backend
    go get "github.com/jaegertracing/jaeger/cmd/jaeger@$JAEGER_MODULE_VERSION"
    nice go build -trimpath -ldflags '-s -w' -o out github.com/jaegertracing/jaeger/cmd/jaeger
}

build_collector() {
    GOBIN="$PWD/bin" go install "go.opentelemetry.io/collector/cmd/builder@v$COLLECTOR_VERSION"
    # The Kafka components exist at another version than the rest, hence --skip-strict-versioning.
    nice ./bin/builder --skip-strict-versioning --config "$here/collector-build.yaml"
    mv built/otelcol out
}

mkdir -p "$cache"
build "Jaeger $JAEGER_VERSION" "$jaeger" 3 build_jaeger
build "OpenTelemetry Collector $COLLECTOR_VERSION" "$collector" 3 build_collector
