#!/usr/bin/env bash
# All benchmarks on one large GPU, within 10 minutes; JSON, tables and plots under OUT.
#
#   benchmarks/gpu.sh OUT [--small]
#
# Every part has its own time limit, and goes on where another failed; what was measured
# before a limit is kept. The tables come last. --small tries it out, on a CPU too.
set -uo pipefail
out=$1 small=${2:-}
here="$(cd "$(dirname "$0")" && pwd)"
export PYTHONPATH="$here/..:$here/../train:$here${PYTHONPATH:+:$PYTHONPATH}"
export XLA_PYTHON_CLIENT_PREALLOCATE=false
python=${PYTHON:-python}
mkdir -p "$out"

part() { # SECONDS NAME COMMAND...
  local seconds=$1 name=$2
  shift 2
  echo "== $name"
  timeout --kill-after=5 "$seconds" "$@" >"$out/$name.log" 2>&1 ||
    echo "$name: ended with $?, see $name.log"
}

# Memory is compiled, not run, and equivariance isn't timed: side by side.
if [ -n "$small" ]; then
  part 400 memory "$python" "$here/memory.py" --out "$out" --batch 1 --size 12 &
  part 400 equivariance "$python" "$here/equivariance.py" --out "$out" --size 16 \
    --parts layers
  wait
  part 600 speed "$python" "$here/speed.py" --out "$out" --repeats 1 --small
  part 280 sweeps "$python" "$here/sweeps.py" --out "$out" --repeats 1 --small
  part 280 mapped "$python" "$here/mapped.py" --out "$out" --repeats 1 --small
else
  part 160 memory "$python" "$here/memory.py" --out "$out" --batch 256 &
  part 160 equivariance "$python" "$here/equivariance.py" --out "$out" \
    --parts operators layers networks
  wait
  part 230 speed "$python" "$here/speed.py" --out "$out" --times 16 --bfloat16
  part 90 sweeps "$python" "$here/sweeps.py" --out "$out" --repeats 9
  part 100 mapped "$python" "$here/mapped.py" --out "$out" --times 16
fi
cat "$out"/*.md
