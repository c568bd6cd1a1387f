#!/usr/bin/env bash
# Makes the environment when it is missing or out of date, then runs the farm. Flags go to launcher.py.
#   ./start.sh [flags]        in the foreground; Ctrl-C drains and stops
#   ./start.sh -d [flags]     in the background; ./stop.sh stops it
#   ./start.sh --setup-only   only makes the environment
#   ./start.sh --extras ocr,edit ...   with the libraries of these extras (setup.cfg), from now on; all, or none
[ -n "${BASH_VERSION:-}" ] || exec bash "$0" "$@"
set -euo pipefail
cd "$(dirname "$(readlink -f "$0")")"

fail() {
  echo "start.sh: $1" >&2
  exit "${2:-1}"
}

# The extras are taken from the arguments, or else those that .venv was made with, or else all.
chosen='' flags=()
while [ $# -gt 0 ]; do
  case $1 in
    --extras) [ $# -gt 1 ] || fail "--extras takes names with commas between" 2; chosen=$2; shift ;;
    --extras=*) chosen=${1#*=}; [ -n "$chosen" ] || fail "--extras takes names with commas between" 2 ;;
    *) flags+=("$1") ;;
  esac
  shift
done
before=$(cat .venv/extras 2>/dev/null || { [ ! -e .venv/installed ] || echo all; })
extras=${chosen:-${before:-all}}
case $extras in
  all | none) ;;
  *)
    named=''
    for extra in ${extras//,/ }; do
      case $extra in
        ocr | segment | flower | edit | ray) named=$named,$extra ;;
        *) fail "--extras: there is no $extra, only ocr, segment, flower, edit, ray with commas between, or all, or none" 2 ;;
      esac
    done
    extras=${named#,}
    [ -n "$extras" ] || fail "--extras takes names with commas between" 2
    ;;
esac

# Whether an environment made with the extras $1 has something that one with $2 has not.
has_more() {
  local extra list=${1/all/ocr,segment,flower,edit}
  [ "$2" != all ] || return 1
  list=${list/none/}
  for extra in ${list//,/ }; do
    case ",$2," in *",$extra,"*) ;; *) return 0 ;; esac
  done
  return 1
}

# The install step is skipped while what it installs from has not changed.
wanted=$(cat setup.cfg pyproject.toml constraints.txt | cksum)
if [ "$(cat .venv/installed 2>/dev/null)" != "$wanted" ] || [ "$extras" != "$before" ]; then
  python=${PYTHON:-python3}
  if ! "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
    fail "Python 3.11 or newer is needed; name it in PYTHON"
  fi
  anew=()
  if has_more "$before" "$extras"; then
    anew=(--clear)
    echo "start.sh: making .venv anew, without what --extras $extras leaves out" >&2
  fi
  echo "start.sh: installing into .venv; the first time this takes some minutes" >&2
  if ! "$python" -m venv "${anew[@]}" .venv; then
    fail "the venv module is missing; on Debian: apt install python3-venv"
  fi
  rm -f .venv/installed
  echo "$extras" > .venv/extras
  package=".[$extras]"
  [ "$extras" != none ] || package=.
  .venv/bin/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt \
    --editable "$package" >&2
  echo "$wanted" > .venv/installed
fi

set -- "${flags[@]}"
case "${1:-}" in
  --setup-only) ;;
  -d) shift; exec .venv/bin/python -m spoolfarm.launcher.daemon start "$@" ;;
  *) exec .venv/bin/python launcher.py "$@" ;;
esac
