"""Train the quickstart and its ablations over several seeds; write curves, tables and pictures.

    python tools/reproduce.py --out docs/results

Each run is the command a user would type. What is there already is not run again, so the tool
may be stopped and started. No seed is left out.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from reproduce_report import write_report

ROOT = Path(__file__).parents[1]
QUICKSTART = "configs/quickstart.yaml"
RUNS = {
    "quickstart": [],
    "accuracy": ["configs/ablations/accuracy.yaml"],
    "no_penalty": ["configs/ablations/no_penalty.yaml"],
    "every_call": ["configs/ablations/every_call.yaml"],
    "eq5_share": ["configs/ablations/eq5_share.yaml"],
}


def train(name: str, seed: int, work: Path, threads: int) -> None:
    """Run one fit; its metrics end up in ``work/name-seed/metrics.csv``."""
    folder = work / f"{name}-{seed}"
    if (folder / "done").exists():
        return
    command = [sys.executable, "-m", "visionthink_pl", "fit"]
    for config in [QUICKSTART, *RUNS[name]]:
        command += ["--config", config]
    # Behind the configs, or theirs would win. Validation is the same for all seeds.
    command += [f"--seed_everything={seed}", f"--data.train.init_args.seed={seed}"]
    command += ["--trainer.logger=lightning.pytorch.loggers.CSVLogger"]
    command += [f"--trainer.logger.save_dir={work}", f"--trainer.logger.name={folder.name}"]
    command += ["--trainer.logger.version=", "--progress.refresh_rate=0"]
    started = time.monotonic()
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "output.txt").open("w") as output:
        environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
        subprocess.run(command, cwd=ROOT, env=environment, stdout=output, stderr=output, check=True)
    (folder / "done").write_text(f"{time.monotonic() - started:.0f} s in all\n")
    print(f"{folder.name}: {time.monotonic() - started:.0f} s", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder for tables and pictures")
    parser.add_argument("--work", type=Path, default=ROOT / "runs" / "reproduce")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--runs", nargs="+", default=list(RUNS), choices=list(RUNS))
    parser.add_argument("--jobs", type=int, default=1, help="runs at once; each gets its threads")
    args = parser.parse_args()
    threads = max(1, (os.cpu_count() or 1) // args.jobs)
    jobs = [(name, seed) for name in args.runs for seed in args.seeds]
    with ThreadPoolExecutor(args.jobs) as pool:
        for future in [pool.submit(train, *job, args.work.resolve(), threads) for job in jobs]:
            future.result()
    write_report(args.work, args.out, args.runs, args.seeds)


if __name__ == "__main__":
    main()
