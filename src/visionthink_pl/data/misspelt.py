"""Recognition of misspelt names."""

from __future__ import annotations

import difflib
from functools import lru_cache
from itertools import chain

ALIKE = 0.8  # difflib's ratio: "imgae" and "image" have 0.8, "wind" and "kind" 0.75
SHORT = 3  # letters of names such as "id", which others resemble by chance: "idx", "uid"


@lru_cache(1000)  # each row of a file has the same keys
def misspelling_of(name: str, known: tuple[str, ...]) -> str | None:
    """The known name that ``name`` probably stands for: it has the same letters, ignoring case, or
    most of them in the same order. ``None`` if there is no such name."""
    written = name.strip().casefold()
    same_letters = (one for one in known if sorted(one) == sorted(written))
    long = [one for one in known if len(one) > SHORT]
    return next(chain(same_letters, difflib.get_close_matches(written, long, 1, ALIKE)), None)
