#!/usr/bin/env bash
# Stops the farm that `./start.sh -d` started: no new requests, running jobs end, then nothing is left.
[ -n "${BASH_VERSION:-}" ] || exec bash "$0" "$@"
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")"
exec .venv/bin/python -m spoolfarm.launcher.daemon stop "$@"
