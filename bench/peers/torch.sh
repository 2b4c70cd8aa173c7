#!/bin/sh
# torch_peer.py in the environment of a tuned PyTorch. PEER_THREADS sets the threads (default 2).
unset OPENBLAS_CORETYPE OPENBLAS_L2_SIZE   # some environments set these and so force AVX2 kernels
export ATEN_CPU_CAPABILITY=avx512          # 1.13 does not choose it by itself on every processor
export OMP_NUM_THREADS="${PEER_THREADS:-2}"
export OMP_WAIT_POLICY=active              # threads spin between the many short parallel regions
export OMP_PROC_BIND=close OMP_PLACES=cores
# memory stays in the process between steps: page faults of fresh 100-MB activations are dear
export LD_PRELOAD=libjemalloc.so.2
export MALLOC_CONF=dirty_decay_ms:-1,muzzy_decay_ms:-1,oversize_threshold:0,thp:always
exec /usr/bin/python3 "$(dirname "$0")/torch_peer.py" --threads "$OMP_NUM_THREADS" "$@"
