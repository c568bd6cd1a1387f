#!/usr/bin/env bash
# Makes the environment when it is missing, adds what the tests need, and runs them, in four processes. Arguments go to
# pytest, which then runs in one.
[ -n "${BASH_VERSION:-}" ] || exec bash "$0" "$@"
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")"

# Programs and fonts that only tests use are installed where that may be done; elsewhere those tests are skipped.
missing=$("${PYTHON:-python3}" tests/support/packages.py)
root=$([ "$(id -u)" = 0 ] || echo "sudo --non-interactive")
install() {
  $root env DEBIAN_FRONTEND=noninteractive \
    apt-get install -o DPkg::Lock::Timeout=60 --quiet --yes --no-install-recommends --no-remove "$@" >/dev/null 2>&1
}
if [ -n "$missing" ] && command -v apt-get >/dev/null && $root true 2>/dev/null; then
  echo "test.sh: installing $missing" >&2
  $root apt-get update >/dev/null 2>&1 || true
  # shellcheck disable=SC2086  # the packages are words
  install $missing || for package in $missing; do install "$package" || true; done
  for service in nginx prometheus; do
    case $missing in
      *$service*) { $root service $service stop && $root update-rc.d $service disable; } >/dev/null 2>&1 || true ;;
    esac
  done
fi

made=$(cat .venv/extras 2>/dev/null || echo all)
if [ "$made" != all ]; then
  echo "test.sh: the tests need all extras; installing those that .venv was made without ($made)" >&2
fi
./start.sh --setup-only --extras all
wanted=$(cat .venv/installed)
if [ "$(cat .venv/installed-test 2>/dev/null)" != "$wanted" ]; then
  .venv/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[test]'
  echo "$wanted" > .venv/installed-test
fi
# The tests start hundreds of processes: none is to compile everything anew, and all are to buffer what they print.
unset PYTHONDONTWRITEBYTECODE PYTHONUNBUFFERED
[ $# -gt 0 ] || set -- --numprocesses 4 --dist loadscope
exec .venv/bin/python -m pytest "$@"
