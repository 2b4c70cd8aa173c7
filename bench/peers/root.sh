#!/bin/sh
# Debian 13 beside whatever this system is, for its PyTorch 2.6:
#   root.sh install          makes it under .work/root, from the package source of this system (as root)
#   root.sh COMMAND [ARG…]   runs a command in it, in this folder
set -eu
cd "$(dirname "$0")"
root="$PWD/.work/root"

if [ "${1:-}" = install ]; then
    [ ! -e "$root/.complete" ] || exit 0
    command -v debootstrap > /dev/null || apt-get install -y --no-install-recommends debootstrap
    site=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' | sed 1q)
    rm -rf "$root"
    mkdir -p "$root"
    debootstrap --variant=minbase \
        --include=python3-torch,python3-numpy,libopenblas0-openmp,libjemalloc2,g++,libtorch-dev,python3-setuptools trixie "$root" "$site"
    touch "$root/.complete"
    exit 0
fi

mkdir -p "$root$PWD"
# Some environments set these and so force older kernels on OpenBLAS.
unset OPENBLAS_CORETYPE OPENBLAS_L2_SIZE
export OMP_NUM_THREADS="${PEER_THREADS:-2}" OMP_WAIT_POLICY=active OMP_PROC_BIND=close OMP_PLACES=cores
# Memory stays in the process between steps: page faults of fresh 100-MB activations are dear.
export MALLOC_CONF=dirty_decay_ms:-1,muzzy_decay_ms:-1,oversize_threshold:0,thp:always
# The mounts are this command's own, and end with it.
exec unshare --mount sh -euc '
    root=$0 here=$1
    shift
    mount -t proc proc "$root/proc"
    mount --rbind /dev "$root/dev"
    mount --rbind /sys "$root/sys"
    mount --bind "$here" "$root$here"
    exec chroot "$root" env LD_PRELOAD=libjemalloc.so.2 sh -c '\''cd "$0" && exec "$@"'\'' "$here" "$@"' "$root" "$PWD" "$@"
