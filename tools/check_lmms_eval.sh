#!/bin/sh
# Runs a small local task through the plug-in under lmms-eval itself, on the embedded model, and the
# verb `evaluate` on the same questions; both must come to the same score. lmms-eval's pins clash
# with ours, so that it gets an environment of its own, which is kept. 0.7.3 needs a filelock below 4.
#
#     tools/check_lmms_eval.sh [ENVIRONMENT]        (.venv-lmms-eval by default)
set -eu
cd "$(dirname "$0")/.."
env=${1:-.venv-lmms-eval}
out=$(mktemp -d)
if [ ! -x "$env/bin/lmms-eval" ]; then
    "${PYTHON:-python3}" -m venv "$env"
    "$env/bin/python" -m pip install --quiet 'lmms-eval==0.7.3' 'filelock<4' '.[prepare]'
fi
export HF_HUB_OFFLINE=1 HF_DATASETS_OFFLINE=1 HF_HOME="$out/hf" OMP_NUM_THREADS=1
"$env/bin/python" tools/lmms_eval_task.py "$out/task" 24
"$env/bin/python" -m lmms_eval --model visionthink_pl --model_args pretrained=embedded,device=cpu \
    --tasks lookcloser_local --include_path "$out/task" --batch_size 8 \
    --log_samples --output_path "$out/results"
cat > "$out/evaluate.yaml" <<CONFIG
benchmarks:
  lookcloser_local:
    data: {class_path: visionthink_pl.data.LookCloser, init_args: {length: 24, split: validation}}
modes: [adaptive]
out: $out/evaluate
CONFIG
"$env/bin/python" -m visionthink_pl evaluate --config "$out/evaluate.yaml" --model.device cpu
"$env/bin/python" - "$out" <<'COMPARE'
import json
import sys
from pathlib import Path

out = Path(sys.argv[1])
(file,) = (out / "results").rglob("*results.json")
theirs = json.loads(file.read_text())["results"]["lookcloser_local"]["right,none"]
ours = json.loads((out / "evaluate" / "summary.json").read_text())["modes"]["adaptive"]["score"]
print(f"lmms-eval: {theirs:.4f}, evaluate: {ours:.4f}")
sys.exit(abs(theirs - ours) > 1e-9)
COMPARE
