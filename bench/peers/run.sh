#!/bin/sh
# The peers, from nothing to the table: run.sh [install|build|check|time [compare.py's arguments]|all]
# Needs Debian 12 or later with apt-get (as root), .NET 10, npm and a C compiler. Everything but the Debian packages
# goes to .work/ beside this file, which git ignores. DNABERT2_SHARED: the folder of golden files and data.
set -eu
cd "$(dirname "$0")"
work="$PWD/.work"
shared="${DNABERT2_SHARED:-$PWD/../../../shared}"

install_peers() {
    packages="python3-numpy python3-onnx gcc libc6-dev"
    # shellcheck disable=SC2086
    if ! dpkg-query -W -f='${db:Status-Status}\n' $packages 2>/dev/null | grep -cx installed \
            | grep -qx "$(echo "$packages" | wc -w)"; then
        apt-get update
        DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends $packages ||
            DEBIAN_FRONTEND=noninteractive apt-get install -y -f --no-install-recommends $packages
    fi
    mkdir -p "$work"
    ./root.sh install
    # carries its native library
    npm install --no-package-lock --no-save --no-audit --no-fund --ignore-scripts --prefix "$work" tokenizers@0.23.2
    dotnet restore net/Peers.csproj
}

build() {
    mkdir -p "$work/onnx" "$work/data"
    dotnet publish net/Peers.csproj -c Release --nologo -v quiet -o .work/net
    cc -O2 -Wall -Wextra -pthread peak.c -o "$work/peak"
    /usr/bin/python3 write_model.py "$shared" "$work/model"
    # the same without dropout, for training
    mkdir -p "$work/model-training"
    ln -sf ../model/model.safetensors ../model/tokenizer.json "$work/model-training/"
    sed 's/\("[a-z_]*dropout[a-z_]*": *\)0\.1/\10.0/' "$work/model/config.json" > "$work/model-training/config.json"
    /usr/bin/python3 onnx_graph.py "$work/model/model.safetensors" "$work/onnx"
    for name in dnabert6 nt500m hyena-tiny1k hyena-small32k hyena-medium160k; do
        /usr/bin/python3 baselines.py write $name "$work/$name"
    done
    /usr/bin/python3 prepare_data.py "$shared" "$work/data"
    { echo ">one"; head -c 650 "$work/data/yeast_1000bp.txt"; echo; } > "$work/data/one.fa"
    for name in splice mixed; do
        node tokenizer_peer.mjs ids --text "$work/data/$name.txt" --out "$work/data/$name.ids"
    done
}

check() { /usr/bin/python3 check.py "$shared" "$work"; }

measure() {
    if [ $# -eq 0 ]; then set -- inference training baselines baselines-training real start encode bpe; fi
    dotnet build ../Bench.csproj -c Release --nologo -v quiet
    dotnet publish ../../tools/dnabert2/dnabert2.csproj -c Release -r linux-x64 --nologo -v quiet -o .work/dnabert2
    sample="dotnet ../bin/Release/net10.0/Bench.dll peer"
    for dtype in f32 bf16 i8; do
        set -- "$@" --engine "engine-$dtype:$dtype:inference=$sample infer --model .work/model --dtype $dtype --shape {shape}"
    done
    for dtype in f32 bf16; do
        set -- "$@" --engine "engine-$dtype:$dtype:training=$sample train --model .work/model-training --dtype $dtype --shape {shape}"
    done
    for what in infer train; do
        suite=baselines$([ $what = infer ] || echo -training)
        set -- "$@" --engine "engine:f32:$suite=$sample $what --model .work/{model} --shape {shape}"
    done
    /usr/bin/python3 compare.py "$@" \
        --engine "engine:f32:real=$sample real --model .work/model --ids {ids} --rows {rows}" \
        --engine "engine:any:start=sh -c '.work/dnabert2/dnabert2 embed .work/data/one.fa --model .work/model -o .work/one.npy -q && echo {\\\"ms\\\":0}'" \
        --engine "engine:any:encode=$sample encode --tokenizer .work/model/tokenizer.json --text {text} --rows {rows}" \
        --engine "engine:any:bpe=$sample bpe --text {text}"
}

command="${1:-all}"
[ $# -eq 0 ] || shift
case "$command" in
    install) install_peers ;;
    build) build ;;
    check) check ;;
    time) measure "$@" ;;
    all) install_peers; build; check; measure "$@" ;;
    *) echo "usage: run.sh [install|build|check|time [arguments of compare.py]|all]" >&2; exit 2 ;;
esac
