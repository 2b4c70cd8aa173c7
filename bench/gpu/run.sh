#!/bin/sh
# Checks and measures everything on an NVIDIA GPU. Two machines, or one:
#
#   bench/gpu/run.sh publish            on a machine with the .NET SDK: makes bench/gpu/.work/gpubench, some 60 MB, to be carried over.
#                                       DNABERT2_SHARED: the folder of reference data, whose golden files are put beside the program.
#   ./run.sh [all|check|tune|memcheck|measure|report] [PART ...]
#                                       in that folder, on a machine with a GPU and its driver; nothing else is needed. Python with
#                                       PyTorch and compute-sanitizer are used where they are present.
#
# Prints a line a check and figure, and writes results/ beside the program: journal.tsv, which a second run goes on from; GPU.md, which is
# to be committed under bench/results; products.txt, the fastest form of each matrix product, whose lines are to be committed in
# engine/kernels/MatMul/products.txt (in place of those of the same compute capability): the backend chooses by it. BUDGET: the seconds all of it may take (1150); TASK: those of one process (300).
set -eu
here="$(cd "$(dirname "$0")" && pwd)"
out="${OUT:-$here/results}"
journal="$out/journal.tsv"
begun=$(date +%s)

publish() {
    work="$here/.work/gpubench"
    shared="${DNABERT2_SHARED:-$here/../../../shared}"
    rm -rf "$work"
    dotnet publish "$here/GpuBench.csproj" -c Release -r "${RUNTIME:-linux-x64}" -o "$work"
    mkdir -p "$work/shared/golden"
    for name in tiny12h tiny3h full117m long1500 train_mlm_pretrain train_mlm_clip_nodecay train_cls_finetune; do
        if [ -f "$shared/golden/$name.json" ]; then cp "$shared/golden/$name.json" "$work/shared/golden/"
        else echo "run.sh: $shared/golden/$name.json is absent: what needs it will be skipped" >&2; fi
    done
    chmod -R u+w "$work/shared"
    cp "$here/run.sh" "$here/torch_peer.py" "$work/"
    kib=$(du -sk "$work" | cut -f1)
    echo "$work: $((kib / 1024)) MiB"
    [ "$kib" -lt 65536 ] || { echo "run.sh: this is 64 MiB or more" >&2; exit 1; }
}

left() { echo $((${BUDGET:-1150} - $(date +%s) + begun)); }

# Runs the program until it has nothing left to do: a kernel that stops the GPU, hangs or crashes costs one process, not what follows.
go() {
    code=0
    tries=0
    while :; do
        limit=$(left)
        [ "$limit" -gt 0 ] || { echo "run.sh: no time is left; run it again to go on" >&2; return 1; }
        [ "$limit" -lt "${TASK:-300}" ] || limit="${TASK:-300}"
        timeout "$limit" $wrap "$here/GpuBench" "$@" && return 0 || code=$?
        # 0 and 1: all is done. 3: the GPU has stopped. More: the process was ended.
        [ "$code" -gt 2 ] || return "$code"
        tries=$((tries + 1))
        [ "$tries" -lt 40 ] || { echo "run.sh: given up after $tries processes" >&2; return 1; }
    done
}

check() { wrap="" go check "$journal" "$@"; }

tune() { wrap="" go tune "$journal" "$out/products.txt"; }

memcheck() {
    tool=$(command -v compute-sanitizer || ls /usr/local/cuda*/bin/compute-sanitizer 2>/dev/null | head -n 1 || true)
    [ -n "$tool" ] || { echo "SKIP memcheck: compute-sanitizer is not here"; return 0; }
    rm -f "$out/memcheck.tsv"
    # Every size and the large models would take hours under it: the sizes around the tiles, and the gradients.
    if timeout "$(left)" "$tool" --tool memcheck --error-exitcode 9 "$here/GpuBench" check "$out/memcheck.tsv" ops gradients \
            > "$out/memcheck.log" 2>&1 && grep -q 'ERROR SUMMARY: 0 errors' "$out/memcheck.log"; then
        echo "PASS memcheck: 0 errors"
    else
        echo "FAIL memcheck: see $out/memcheck.log"
        return 1
    fi
}

# From the start of a process to its first embedding: with nothing kept of what the driver compiles, and once more.
first() {
    rm -rf "$out/first-cache"
    for name in "kernels compiled by the driver" "kernels kept by the driver"; do
        CUDA_CACHE_PATH="$out/first-cache" timeout "$(left)" "$here/GpuBench" first "$journal" "$name" || return 1
    done
}

measure() {
    wrap="" go measure "$journal" "$@" || return $?
    [ $# -gt 0 ] || grep -q "kernels kept by the driver" "$journal" || first || return $?
    if [ ! -s "$out/torch.json" ] && python3 -c 'import torch; assert torch.cuda.is_available()' 2>/dev/null; then
        timeout "$(left)" python3 "$here/torch_peer.py" > "$out/torch.json.new" && mv "$out/torch.json.new" "$out/torch.json"
    fi
}

report() {
    if [ -s "$out/torch.json" ]; then "$here/GpuBench" report "$journal" "$out/torch.json" > "$out/GPU.md"
    else "$here/GpuBench" report "$journal" > "$out/GPU.md"; fi
    echo "$out/GPU.md"
}

command="${1:-all}"
[ $# -eq 0 ] || shift
mkdir -p "$out"
# Where the driver keeps what it has compiled, so that each process need not compile again.
export CUDA_CACHE_PATH="${CUDA_CACHE_PATH:-$out/cache}"
failed=0
case "$command" in
    publish) rmdir "$out" 2>/dev/null || true; publish ;;
    check) check "$@" || failed=1 ;;
    tune) tune || failed=1 ;;
    memcheck) memcheck || failed=1 ;;
    measure) measure "$@" || failed=1 ;;
    report) report ;;
    all)
        check || failed=1
        tune || failed=1
        measure || failed=1
        memcheck || failed=1
        report
        ;;
    *) sed -n '2,11p' "$0" >&2; exit 2 ;;
esac
exit "$failed"
