"""Trajectories as one packed sequence for the training pass: no padding, each prompt once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import torch
from PIL import Image
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence
from transformers import PreTrainedModel

from visionthink_pl.families import Family
from visionthink_pl.policy.attention import Packing, packing
from visionthink_pl.policy.features import ImageFeatures, VisualTokens
from visionthink_pl.types import Trajectory
from visionthink_pl.types.supports import Supports


@dataclass(frozen=True)
class PackedTrajectories:
    """Trajectories one after another, those of a prompt behind a single copy of it.

    Attributes:
        ids_T: token ids.
        positions_AT: rotary positions in A axes, as many as the family has; those of each
            continuation go on from its prompt.
        visual: tokens of the images, in the order of their placeholders.
        packing: how they lie there.
        predictors_K: for each generated id, the place of the token before it.
        targets_K: the generated ids, trajectory by trajectory.
        supports: the ids that these were chosen from; ``None`` where each was from all.
    """

    ids_T: Tensor
    positions_AT: Tensor
    visual: list[VisualTokens]
    packing: Packing
    predictors_K: Tensor
    targets_K: Tensor
    supports: Supports | None


def pack(
    trajectories: Sequence[Trajectory],
    family: Family,
    model: PreTrainedModel,
    features: ImageFeatures,
) -> PackedTrajectories:
    """Pack trajectories; neighbours that share one prompt (the same list of ids) share its copy,
    where the family can."""
    shown = [image for trajectory in trajectories for image in trajectory.images]
    tokens = dict(zip(map(id, shown), features(shown), strict=True))
    positions = _positions(trajectories, family, model, [tokens[id(image)] for image in shown])
    ids: list[int] = []
    places: list[Tensor] = []
    images: list[Image.Image] = []
    groups: list[tuple[int, list[int]]] = []
    predictors: list[int] = []
    targets: list[int] = []
    for _, neighbours in groupby(
        zip(trajectories, positions, strict=True),
        key=lambda pair: id(pair[0].prompt_ids if family.shares_prompts else pair[0]),
    ):
        group = list(neighbours)
        first, first_AT = group[0]
        start, prompt = len(ids), len(first.prompt_ids)
        in_prompt = len(first.first_look)
        ids += first.prompt_ids
        places.append(first_AT[:, :prompt])
        images += first.images[:in_prompt]
        for trajectory, positions_AT in group:
            before = start + prompt - 1  # the prompt's last token predicts the first id
            for offset, generated in enumerate(trajectory.generated_mask[prompt:]):
                if generated:
                    predictors.append(before if offset == 0 else len(ids) + offset - 1)
            targets += [i for turn in trajectory.turns for i in turn.generated_ids]
            ids += trajectory.ids[prompt:]
            places.append(positions_AT[:, prompt:])
            images += trajectory.images[in_prompt:]
        groups.append((prompt, [len(trajectory.ids) - prompt for trajectory, _ in group]))
    return PackedTrajectories(
        ids_T=torch.tensor(ids, device=model.device),
        positions_AT=torch.cat(places, 1).to(model.device),
        visual=[tokens[id(image)] for image in images],
        packing=packing(groups, model.device),
        predictors_K=torch.tensor(predictors, device=model.device),
        targets_K=torch.tensor(targets, device=model.device),
        supports=_supports(trajectories),
    )


def _supports(trajectories: Sequence[Trajectory]) -> Supports | None:
    turns = [turn for trajectory in trajectories for turn in trajectory.turns]
    if all(turn.supports is None for turn in turns):
        return None
    parts = [turn.supports or Supports.whole(len(turn.generated_ids)) for turn in turns]
    return Supports.joined(parts)


def _positions(
    trajectories: Sequence[Trajectory],
    family: Family,
    model: PreTrainedModel,
    visual: Sequence[VisualTokens],
) -> list[Tensor]:
    """Rotary positions of each trajectory, each (A, T)."""
    rows = [torch.tensor(trajectory.ids) for trajectory in trajectories]
    ids_NT = pad_sequence(rows, batch_first=True, padding_value=family.pad_id)
    lengths = [len(row) for row in rows]
    attention_NT = (torch.arange(ids_NT.shape[1]) < torch.tensor(lengths)[:, None]).long()
    sizes = torch.stack([tokens.size for tokens in visual])
    positions_ANT = family.positions(model, ids_NT, attention_NT, sizes)
    return [positions_ANT[:, row, :length] for row, length in enumerate(lengths)]
