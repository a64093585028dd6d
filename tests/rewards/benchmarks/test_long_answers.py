"""No answer of 64 kB keeps a benchmark's scorer for long."""

import pytest

from hostile_helpers import long_texts
from rewards.benchmarks.stand_in_judge import Replies
from rewards.benchmarks.test_recorded import JUDGED, PLAIN, RECORDED, answered
from rewards.test_long_texts import KILOBYTE, LIMIT_S, seconds
from visionthink_pl.rewards.benchmarks import Benchmark, MathVista


class Always(Replies):
    """Gives every answer the same reply."""

    def __init__(self, reply: str) -> None:
        super().__init__({})
        self._reply = reply

    def submit(self, case):  # type: ignore[no-untyped-def]
        self._replies = {case.answer: self._reply}
        return super().submit(case)


SCORERS: dict[str, Benchmark] = {name: kind() for name, kind in PLAIN.items()}
SCORERS |= {name: kind(Always("Score: 1")) for name, kind in JUDGED.items() if name != "MathVista"}
SCORERS["MathVista"] = MathVista()

# Beside one piece many times: numbers and lines that all differ.
DIFFERENT = [
    " ".join(map(str, range(12_000))),
    "\n".join(f"the answer is {n}" for n in range(3_200)),
]


@pytest.mark.long
@pytest.mark.parametrize("name", SCORERS)
def test_no_answer_takes_long(name: str) -> None:
    rows = {bool(row["fields"]["options"]): row for row in RECORDED[name]}  # with options, without

    def time_of(text: str) -> float:
        cases = [[answered(row | {"answer": text})] for row in rows.values()]
        return max(seconds(SCORERS[name].score, each) for each in cases)

    texts = [*long_texts(64 * KILOBYTE), *DIFFERENT]
    slow = {t[:30]: took for t in texts if (took := time_of(t)) > LIMIT_S}
    assert slow == {}
