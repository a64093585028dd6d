"""Where policies end that start with few calls, some, or many: a run for each start and seed.

    python tools/collapse_map.py --out docs/results/collapse

Each run is the quickstart with shuffled batches, which the quickstart does not have, from a policy
that calls with a given probability whatever the question. What is there already is not run again,
so the tool may be stopped and started. No seed is left out.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from collapse.report import draw, read_ends, table
from collapse.starts import RATES, make_start

ROOT = Path(__file__).parents[1]
QUICKSTART = "configs/quickstart.yaml"
ABLATIONS = "configs/ablations"
WAYS: dict[str, tuple[str, list[str]]] = {  # title in the picture, and what is added
    "quickstart": ("quickstart:\nfades", []),
    "fades_by_part": ("fades, by part", ["--model.normalisation=parts"]),
    "accuracy": ("accuracy", [f"--config={ABLATIONS}/accuracy.yaml"]),
    "share": ("Eq. 5: share", [f"--config={ABLATIONS}/eq5_share.yaml"]),
    "every_call": ("every call", [f"--config={ABLATIONS}/every_call.yaml"]),
    "large_groups": (
        "accuracy, G = 16",
        [f"--config={ABLATIONS}/accuracy.yaml", "--rollout.group_size=16", "--rollout.rows=320"],
    ),
}


def train(way: str, rate: float, seed: int, work: Path, threads: int) -> None:
    """Run one fit; its metrics end up in ``work/way/rate-seed/metrics.csv``."""
    folder = work / way / f"{rate}-{seed}"
    if (folder / "done").exists():
        return
    command = [sys.executable, "-m", "visionthink_pl", "fit", "--config", QUICKSTART]
    command += WAYS[way][1]
    command += [f"--model.pretrained={work / 'starts' / str(rate)}", "--data.shuffle=true"]
    command += [f"--seed_everything={seed}", f"--data.train.init_args.seed={seed}"]
    command += ["--data.validation.init_args.length=400"]
    command += ["--trainer.callbacks=null", "--trainer.enable_checkpointing=false"]
    command += ["--trainer.logger=lightning.pytorch.loggers.CSVLogger"]
    command += [f"--trainer.logger.save_dir={work / way}", f"--trainer.logger.name={folder.name}"]
    command += ["--trainer.logger.version=", "--progress.refresh_rate=0"]
    started = time.monotonic()
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "output.txt").open("w") as output:
        environment = os.environ | {"OMP_NUM_THREADS": str(threads)}
        subprocess.run(command, cwd=ROOT, env=environment, stdout=output, stderr=output, check=True)
    (folder / "done").write_text(f"{time.monotonic() - started:.0f} s in all\n")
    print(f"{way} {folder.name}: {time.monotonic() - started:.0f} s", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True, help="folder for tables and pictures")
    parser.add_argument("--work", type=Path, default=ROOT / "runs" / "collapse")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--rates", type=float, nargs="+", default=list(RATES))
    parser.add_argument("--ways", nargs="+", default=list(WAYS), choices=list(WAYS))
    parser.add_argument("--jobs", type=int, default=1, help="runs at once; each gets its threads")
    args = parser.parse_args()
    work, threads = args.work.resolve(), max(1, (os.cpu_count() or 1) // args.jobs)
    for rate in args.rates:
        make_start(rate, work / "starts" / str(rate))
    jobs = [(way, rate, seed) for way in args.ways for seed in args.seeds for rate in args.rates]
    with ThreadPoolExecutor(args.jobs) as pool:
        for future in [pool.submit(train, *job, work, threads) for job in jobs]:
            future.result()
    args.out.mkdir(parents=True, exist_ok=True)
    ends = read_ends(work, args.ways)
    ends.to_csv(args.out / "ends.csv", index=False, float_format="%.3f")
    print(table(ends, args.ways))
    titles = {way: WAYS[way][0] for way in args.ways}
    draw(work, args.ways, titles, args.out / "map.png")


if __name__ == "__main__":
    main()
