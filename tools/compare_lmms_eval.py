"""Score generated answers here and by lmms-eval's own functions, and say where and why they differ.

Needs an environment with lmms-eval 0.7.3, such as the one that ``tools/check_lmms_eval.sh`` makes,
and two packages that lmms-eval imports without asking for them:

    .venv-lmms-eval/bin/python -m pip install Levenshtein openpyxl
    PYTHONPATH=src .venv-lmms-eval/bin/python tools/compare_lmms_eval.py

Exits with 1 where scores differ for no known reason.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

# The judges' stand-ins are put in later; lmms-eval's clients want a key when they are imported.
os.environ.setdefault("OPENAI_API_KEY", "none")
os.environ["HF_HUB_OFFLINE"] = "1"

from loguru import logger  # noqa: E402 (of lmms-eval)

logger.remove()

from lmms_peers import judged_peers, letter_peers, text_peers, yes_no_peers  # noqa: E402
from lmms_peers.base import Case, Peer  # noqa: E402

PEERS = (*text_peers.PEERS, *yes_no_peers.PEERS, *letter_peers.PEERS, *judged_peers.PEERS)
CLOSE = 1e-9


@dataclass
class Comparison:
    """What came out of one benchmark.

    Attributes:
        equal: answers with the same score.
        right: answers with a score above 0 here.
        reasons: how many differ for each.
        unexplained: answers that differ for no known reason.
        figures: over all answers, with ours and theirs.
    """

    equal: int = 0
    right: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    unexplained: list[str] = field(default_factory=list)
    figures: list[str] = field(default_factory=list)


def compare(peer: Peer, cases: Sequence[Case]) -> Comparison:
    out = Comparison()
    scores = peer.ours.score([case.answered for case in cases])
    alike = []
    for case, score in zip(cases, scores, strict=True):
        theirs = peer.theirs(case)
        out.right += bool(score)
        if score is not None and abs(score - theirs) < CLOSE:
            out.equal += 1
            alike.append((case, score))
        elif why := peer.reason(case, score):
            out.reasons[why] += 1
        else:
            out.unexplained.append(f"{case.answer!r} of {case.doc}: {score} here, {theirs} there")
    for name, ours, theirs in peer.summaries(cases, scores):
        same = abs(ours - theirs) < 1e-6
        out.figures.append(f"{name} {ours:.6g}{'' if same else f' here, {theirs:.6g} there'}")
        out.unexplained += [] if same else [f"{name}: {ours} here, {theirs} there"]
    return out


def recorded(peer: Peer, cases: Sequence[Case]) -> list[dict[str, Any]]:
    """Answers with lmms-eval's scores, for tests without it."""
    out = []
    for case in cases:
        sample = case.answered.sample
        fields = {"id": sample.id, "question": sample.question, "kind": sample.kind}
        fields |= {"options": list(sample.options), "extra": dict(sample.extra)}
        row = {"answer": case.answer, "truths": list(sample.answers), "fields": fields}
        score, theirs = peer.score(case), peer.theirs(case)
        differs = score is None or abs(score - theirs) >= CLOSE
        out.append(row | {"reply": peer.reply(case), "score": theirs, "differs": differs})
    return out


def write(file: Path, records: dict[str, list[dict[str, Any]]]) -> None:
    """One line an answer."""
    parts = [
        f"{json.dumps(name)}: [\n"
        + ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
        + "\n]"
        for name, rows in records.items()
    ]
    file.write_text("{\n" + ",\n".join(parts) + "\n}\n", encoding="utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--answers", type=int, default=10_000, help="of each benchmark")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="*", help="names of benchmarks")
    parser.add_argument("--record", type=Path, help="write answers with lmms-eval's scores here")
    options = parser.parse_args()
    failed, records = False, {}
    print("| benchmark | answers | right | equal | different, and why | over all answers |")
    print("|---|---|---|---|---|---|")
    for kind in PEERS:
        if options.only and kind.name not in options.only:
            continue
        peer = kind()
        cases = list(islice(peer.cases(Random(f"{options.seed}/{peer.name}")), options.answers))
        found = compare(peer, cases)
        why = "; ".join(f"{count}: {reason}" for reason, count in found.reasons.most_common())
        cells = [peer.name, len(cases), found.right, found.equal, why or "none"]
        print("|", " | ".join(map(str, [*cells, ", ".join(found.figures) or "-"])), "|", flush=True)
        for line in found.unexplained[:10]:
            print(f"  {line}", file=sys.stderr)
        failed |= bool(found.unexplained)
        records[peer.name] = recorded(peer, cases) if options.record else []
    if options.record:
        write(options.record, records)
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
