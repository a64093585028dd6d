#!/bin/sh
# Runs a small local task through the plug-in under lmms-eval itself, and the verb `evaluate` on the
# same 100 questions: both must give the same answers. lmms-eval's pins clash with ours, so that it
# gets an environment of its own, which is kept. 0.7.3 needs a filelock below 4.
#
#     tools/check_lmms_eval.sh [ENVIRONMENT [MODEL]]        (.venv-lmms-eval and embedded by default)
set -eu
cd "$(dirname "$0")/.."
env=${1:-.venv-lmms-eval}
model=${2:-embedded}
out=$(mktemp -d)
if [ ! -x "$env/bin/lmms-eval" ]; then
    "${PYTHON:-python3}" -m venv "$env"
    "$env/bin/python" -m pip install --quiet 'lmms-eval==0.7.3' 'filelock<4' '.[prepare]'
fi
export HF_HUB_OFFLINE=1 HF_DATASETS_OFFLINE=1 HF_HOME="$out/hf" OMP_NUM_THREADS=1
"$env/bin/python" tools/lmms_eval_task.py "$out/task" 100
"$env/bin/python" -m lmms_eval --model visionthink_pl --model_args pretrained="$model",device=cpu \
    --tasks lookcloser_local --include_path "$out/task" --batch_size 8 \
    --log_samples --output_path "$out/results"
cat > "$out/evaluate.yaml" <<CONFIG
benchmarks:
  lookcloser_local:
    data: {class_path: visionthink_pl.data.LookCloser, init_args: {length: 100, split: validation}}
modes: [adaptive]
out: $out/evaluate
CONFIG
"$env/bin/python" -m visionthink_pl evaluate --config "$out/evaluate.yaml" --model.ckpt "$model" --model.device cpu
"$env/bin/python" - "$out" <<'COMPARE'
import json
import sys
from pathlib import Path


def lines(file):
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines()]


out = Path(sys.argv[1])
(file,) = (out / "results").rglob("*samples*.jsonl")
theirs = {row["doc_id"]: row["filtered_resps"] for row in lines(file)}
ours = [row["answer"] or "" for row in lines(out / "evaluate/trajectories/adaptive.jsonl")]
same = sum(theirs[index] == answer for index, answer in enumerate(ours))
looks = sum(row["second_look"] for row in lines(out / "evaluate/trajectories/adaptive.jsonl"))
print(f"lmms-eval and evaluate: {same} of {len(ours)} answers the same; looked twice: {looks}")
sys.exit(same != len(ours) or len(theirs) != len(ours))
COMPARE
