#!/usr/bin/env bash
# Trains a recipe in pieces of limited time; call it again until it says "finished".
#
#   benchmarks/in_pieces.sh SECONDS RUN_DIR RECIPE [FLAGS OF THE RECIPE]
#
# The first call starts the run, later ones resume it from its last checkpoint. The full
# experiment of [gaussderresnet] on one large GPU:
#
#   benchmarks/in_pieces.sh 560 runs/fm gaussderresnet_fashion_mnist \
#     --data-dir FOLDER --poolings max --log-every 100
set -euo pipefail
seconds=$1 run=$2 recipe=$3
shift 3

# Works in a checkout that is not installed, too.
root="$(cd "$(dirname "$0")/.." && pwd)"
export PYTHONPATH="$root:$root/train${PYTHONPATH:+:$PYTHONPATH}"
train=("${PYTHON:-python}" -m gdjax_train)
if [ -e "$run/recipe.json" ]; then
  command=("${train[@]}" --resume "$run")
else
  command=("${train[@]}" "$recipe" --out "$run" "$@")
fi
status=0
timeout --signal=INT --kill-after=20 "$seconds" "${command[@]}" || status=$?

"${PYTHON:-python}" - "$run" <<'PYTHON'
import json, pathlib, statistics, sys

run = pathlib.Path(sys.argv[1])
metrics = run / "metrics.jsonl"
lines = metrics.read_text().splitlines() if metrics.exists() else []
speeds, steps = {}, {}
for line in lines:
    try:
        row = json.loads(line)
    except json.JSONDecodeError:
        continue  # torn by the signal
    if "images_per_second" in row:
        key = row["member"], row["stage"]
        speeds.setdefault(key, []).append(row["images_per_second"])
        steps[key] = row["step"]
for key, values in speeds.items():
    print(*key, f"step {steps[key]}, median {statistics.median(values):.0f} images/s")
print("finished" if (run / "evaluation.json").exists() else "not finished")
PYTHON
# 124, 130, 137: stopped by the time limit, as meant.
case $status in 0 | 124 | 130 | 137) exit 0 ;; *) exit "$status" ;; esac
