#!/usr/bin/env bash
# Builds, brings what the tests need (CometBFT, ONNX Runtime, the model; once, into the per-user cache), runs them all.
#   ./test.sh          everything, with real CometBFT networks
#   ./test.sh quick    without the networks: unit, property, snapshot and in-process tests
set -euo pipefail
cd "$(dirname "$0")"
packages=(--workspace)
[ "${1:-}" = quick ] && packages+=(--exclude datanet-testnet)

cargo test "${packages[@]}" --no-run
"${CARGO_TARGET_DIR:-target}/debug/datanet" setup
cargo test "${packages[@]}" --no-fail-fast
