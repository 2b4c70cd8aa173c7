#!/bin/bash
# submit.sh SHARDS VERB … -o OUT: an array of so many pieces, and a job that joins them to OUT when all are there. SBATCH_OPTIONS are for the
# array: SBATCH_OPTIONS='--cpus-per-task=8 --mem=8G' submit.sh 16 embed …
set -euo pipefail
shards=$1
shift
out=
for ((i = 1; i < $#; i++)); do
    if [[ ${!i} == -o || ${!i} == --output ]]; then next=$((i + 1)) && out=${!next}; fi
done
[[ $out ]] || { echo "submit.sh: name the result with -o" >&2; exit 2; }
name=${out##*/}
extension=
if [[ $name == *.* ]]; then extension=.${name##*.}; fi
array=$(SHARDS=$shards sbatch --parsable --export=ALL ${SBATCH_OPTIONS:-} --array="1-$shards" "$(dirname "$0")/shards.sbatch" "$@")
pieces="$(printf '%q' "${out%"$extension"}").*-of-$shards$extension"
sbatch --parsable --dependency="afterok:$array" --job-name=dnabert2-merge \
    --wrap "${DNABERT2:-dnabert2} merge $pieces -o $(printf '%q' "$out")"
