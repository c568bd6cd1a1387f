#!/bin/sh
# Flower on several machines: keys, and the programs of each machine; see docs/scale.md
#
#   flower.sh keys HOST NODE...             makes the keys, at HOST's first call, and those of further nodes
#   flower.sh superlink ADDRESS:PORT        the SuperLink, where all meet
#   flower.sh superexec HOST:PORT           runs the server's part, on the farm's machine
#   flower.sh register HOST:PORT NODE...    lets the SuperLink know nodes, once each
#   flower.sh supernode HOST:PORT NODE [CONFIG [OPTION...]]    a client's machine
#
# Keys and the SuperLink's database lie in FLOWER_KEYS, or in the folder flower_keys here.
set -eu
umask 077

keys=${FLOWER_KEYS:-flower_keys}
what=${1:-help}
[ $# -gt 1 ] || { sed -n '2,/^set/{s/^# \{0,1\}//;/^set/!p}' "$0"; exit 2; }
shift

# Nothing is sent to strangers, and nothing is installed at run time.
export FLWR_TELEMETRY_ENABLED=0 FLWR_DISABLE_UPDATE_CHECK=1 FLWR_DISABLE_RUNTIME_DEPENDENCY_INSTALLATION=1

case $what in
keys)
    host=$1
    shift
    case $host in
    *:* | *[0-9].*[0-9].*[0-9].*[0-9]) name=IP:$host ;;
    *) name=DNS:$host ;;
    esac
    mkdir -p "$keys"
    cd "$keys"
    certificate="openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-384 -noenc -days 3650"
    [ -e ca.key ] || $certificate -keyout ca.key -out ca.crt -subj "/CN=SuperLink's authority" \
        -addext keyUsage=critical,keyCertSign
    [ -e server.key ] || $certificate -keyout server.key -out server.crt -subj "/CN=SuperLink" \
        -CA ca.crt -CAkey ca.key -addext "subjectAltName=$name" -addext basicConstraints=critical,CA:FALSE
    [ -e superexec.secret ] || openssl rand -hex 32 >superexec.secret
    for node; do
        [ -e "$node" ] || ssh-keygen -q -t ecdsa -b 384 -N "" -C "$node" -f "$node"
    done
    ;;
superlink)
    exec flower-superlink --host "${1%:*}" --port "${1##*:}" --database "$keys/superlink.db" \
        --ssl-ca-certfile "$keys/ca.crt" --ssl-certfile "$keys/server.crt" --ssl-keyfile "$keys/server.key" \
        --enable-supernode-auth --disable-runtime-dependency-installation \
        --isolation process --superexec-auth-secret-file "$keys/superexec.secret"
    ;;
superexec)
    exec flower-superexec --runtime-api-address "$1" --root-certificates "$keys/ca.crt" \
        --superexec-auth-secret-file "$keys/superexec.secret"
    ;;
register)
    FLWR_HOME=$(mktemp -d)
    export FLWR_HOME
    trap 'rm -r "$FLWR_HOME"' EXIT
    printf '[superlink.farm]\naddress = "%s"\nroot-certificates = "%s"\n' \
        "$1" "$(realpath "$keys/ca.crt")" >"$FLWR_HOME/config.toml"
    shift
    for node; do
        flwr supernode register "$keys/$node.pub" farm --name "$node"
    done
    ;;
supernode)
    superlink=$1 node=$2 config=${3:-}
    shift "$(($# > 3 ? 3 : $#))"
    exec flower-supernode --superlink "$superlink" --root-certificates "$keys/ca.crt" \
        --auth-supernode-private-key "$keys/$node" --node-config "$config" "$@"
    ;;
*)
    exec "$0"
    ;;
esac
