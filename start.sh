#!/usr/bin/env bash
# Makes the environment when it is missing or out of date, then runs the farm. Flags go to launcher.py.
#   ./start.sh [flags]        in the foreground; Ctrl-C drains and stops
#   ./start.sh -d [flags]     in the background; ./stop.sh stops it
#   ./start.sh --setup-only   only makes the environment
set -euo pipefail
cd "$(dirname "$0")"

# The install step is skipped while what it installs from has not changed.
wanted=$(cat setup.cfg pyproject.toml constraints.txt | cksum)
if [ "$(cat .venv/installed 2>/dev/null)" != "$wanted" ]; then
  python=${PYTHON:-python3}
  if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    echo "start.sh: Python 3.11 or newer is needed; name it in PYTHON" >&2
    exit 1
  fi
  echo "start.sh: installing into .venv; the first time this takes some minutes" >&2
  if ! "$python" -m venv .venv; then
    echo "start.sh: the venv module is missing; on Debian: apt install python3-venv" >&2
    exit 1
  fi
  .venv/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable . >&2
  echo "$wanted" > .venv/installed
fi

case "${1:-}" in
  --setup-only) ;;
  -d) shift; exec .venv/bin/python -m spoolfarm.launcher.daemon start "$@" ;;
  *) exec .venv/bin/python launcher.py "$@" ;;
esac
