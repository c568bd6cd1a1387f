#!/usr/bin/env bash
# Stops the farm that `./start.sh -d` started: no new requests, running jobs end, then nothing is left.
set -euo pipefail
cd "$(dirname "$0")"
exec .venv/bin/python -m spoolfarm.launcher.daemon stop "$@"
