#!/usr/bin/env bash
# Makes the environment when it is missing, adds what the tests need, and runs them, in two processes. Arguments go to
# pytest, which then runs in one.
set -euo pipefail
cd "$(dirname "$0")"
./start.sh --setup-only
wanted=$(cat .venv/installed)
if [ "$(cat .venv/installed-test 2>/dev/null)" != "$wanted" ]; then
  .venv/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[test]'
  echo "$wanted" > .venv/installed-test
fi
[ $# -gt 0 ] || set -- --numprocesses 2 --dist loadscope
exec .venv/bin/python -m pytest "$@"
