#!/usr/bin/env bash
# All benchmarks on one large GPU, within some minutes; JSON, tables and plots under OUT.
#
#   benchmarks/gpu.sh OUT [--small]
#
# Most of the time is compiling: so all parts, or those named in PARTS, run at once, and
# take turns at measuring. Each has a limit of LIMIT seconds (default 560), and goes on
# where another failed; what was measured before the limit is kept. The tables come last.
# --small tries it out, on a CPU too, one part after the other.
set -uo pipefail
out=$1 small=${2:-} limit=${LIMIT:-560}
parts=${PARTS:-phases mapped networks residual layers sweeps memory equivariance}
here="$(cd "$(dirname "$0")" && pwd)"
export PYTHONPATH="$here/..:$here/../train:$here${PYTHONPATH:+:$PYTHONPATH}"
export XLA_PYTHON_CLIENT_PREALLOCATE=false
# Single functions, too, take cuBLAS's products: Triton's take minutes to choose among.
export XLA_FLAGS="--xla_gpu_enable_triton_gemm=false ${XLA_FLAGS:-}"
python=${PYTHON:-python}
mkdir -p "$out"
export GDJAX_BENCHMARK_LOCK=$out/.lock

run() { # NAME SCRIPT OPTIONS...
  local name=$1 script=$2
  shift 2
  timeout --kill-after=5 "$limit" "$python" "$here/$script.py" --out "$out/$name" "$@" \
    >"$out/$name.log" 2>&1 || echo "$name: ended with $?, see $name.log"
}

part() {
  local many=(--times 8 --bfloat16 --repeats 27)
  case $1 in
    phases) run phases speed --parts second_phases --times 8 --threads 2 ;;
    mapped) run mapped mapped --times 4 --compiled 1 --threads 4 ;;
    networks) run networks speed --parts gaussdernet --threads 4 "${many[@]}" ;;
    residual) run residual speed --parts gaussderresnet --threads 4 "${many[@]}" ;;
    layers) run layers speed --parts layers --times 4 ;;
    sweeps) run sweeps sweeps ;;
    memory) run memory memory ;;
    equivariance) run equivariance equivariance --parts operators layers networks ;;
  esac
}

small_part() {
  case $1 in
    phases) run phases speed --parts second_phases --repeats 1 --small ;;
    mapped) run mapped mapped --repeats 1 --small --compiled 1 ;;
    networks) run networks speed --parts gaussdernet --repeats 1 --small --threads 2 ;;
    residual) run residual speed --parts gaussderresnet --repeats 1 --small ;;
    layers) run layers speed --parts layers --repeats 1 --small ;;
    sweeps) run sweeps sweeps --repeats 1 --small ;;
    memory) run memory memory --batch 1 --size 12 ;;
    equivariance) run equivariance equivariance --size 16 --parts layers ;;
  esac
}

for name in $parts; do
  if [ -n "$small" ]; then small_part "$name"; else part "$name" & fi
done
wait
rm -f "$GDJAX_BENCHMARK_LOCK"
cat "$out"/*/*.md
