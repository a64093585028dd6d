"""Reads samples: before the rollouts, and again later, when they must not have changed."""

from __future__ import annotations

from visionthink_pl.commands.prepare.duplicates import Seen, content_digest, perceptual_hash
from visionthink_pl.commands.prepare.record import Row
from visionthink_pl.data import Source, usable
from visionthink_pl.types import ConfigError, UnreadableSample, VQASample


def examine(index: int, sample: VQASample | UnreadableSample, seen: Seen) -> Row:
    """The row of a sample before its rollouts: readable or not, a duplicate or not."""
    found = usable(sample)
    if isinstance(found, UnreadableSample):
        return Row(index, found.id, unreadable=found.reason)
    if len(found.images) > 1:
        reason = f"several images: {len(found.images)}; the published format holds one"
        return Row(index, found.id, unreadable=reason)
    digest, phash = content_digest(found), perceptual_hash(found.images[0])
    return Row(
        index,
        found.id,
        question=found.question,
        digest=digest,
        phash=phash,
        needs_second_look=found.needs_second_look,
        duplicate_of=seen.like(found.question, digest, phash),
    )


def read_again(row: Row, source: Source) -> VQASample:
    """Read the sample of a recorded row again.

    Raises:
        ConfigError: its pixels or question have changed.
    """
    sample = source[row.index]
    if isinstance(sample, UnreadableSample) or content_digest(sample) != row.digest:
        raise ConfigError(
            f"data: sample {row.index} ({row.id}) has changed since it was counted; choose another "
            "out folder"
        )
    return sample
