"""The ids that each generated token was chosen from, where not from all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True, eq=False)
class Supports:
    """For each of K generated tokens the ids that truncated sampling left to choose from: the
    support of the distribution. In host memory.

    Attributes:
        ids_M: the ids, one token's behind another's, int32.
        counts_K: how many of them each token has; 0 where it was chosen from all ids that may be
            sampled.
    """

    ids_M: Tensor
    counts_K: Tensor

    @classmethod
    def of(cls, sets: Sequence[Tensor]) -> Supports:
        """From the ids of each token."""
        return cls(torch.cat(list(sets)), torch.tensor([len(ids) for ids in sets]))

    @classmethod
    def whole(cls, tokens: int) -> Supports:
        """Of tokens that were chosen from all ids."""
        nothing = torch.zeros(0, dtype=torch.int32)
        return cls(nothing, torch.zeros(tokens, dtype=torch.long))

    @classmethod
    def joined(cls, parts: Sequence[Supports]) -> Supports:
        """Of tokens one part behind another."""
        ids, counts = [part.ids_M for part in parts], [part.counts_K for part in parts]
        return cls(torch.cat(ids), torch.cat(counts))

    def split(self, tokens: int) -> list[Supports]:
        """Parts of so many tokens each; the last one may have fewer."""
        counts = self.counts_K.split(tokens)
        ids = self.ids_M.split([int(part.sum()) for part in counts])
        return [Supports(*part) for part in zip(ids, counts, strict=True)]

    def excluded(self, never_sampled_V: Tensor) -> Tensor:
        """Which ids no token could have been, shape (K, V), where ``never_sampled_V`` is.

        Args:
            never_sampled_V: ids that are excluded of all tokens.
        """
        device = never_sampled_V.device
        token_M = torch.arange(len(self.counts_K)).repeat_interleave(self.counts_K)
        excluded_KV = (self.counts_K > 0).to(device)[:, None] | never_sampled_V
        excluded_KV[token_M.to(device), self.ids_M.long().to(device)] = False
        return excluded_KV
