"""Visual tokens that are kept against those computed anew."""

from dataclasses import replace

import pytest
import torch
from PIL import Image

from equivalence.naive import plain_logprobs
from model_helpers import (
    assert_same_gradients,
    gradients_of,
    make_conversation,
    mixed_trajectories,
    rolled,
    rounding,
    three_samples,
)
from visionthink_pl.families import Family
from visionthink_pl.policy import Policy
from visionthink_pl.rollout import RolloutEngine, Sampling

pytestmark = pytest.mark.equivalence


class TowerCalls:
    """Counts the images that go through the tower, and its backward passes."""

    def __init__(self, policy: Policy) -> None:
        self.images = self.backward = 0
        tower = policy.base.get_submodule(policy.family.vision_tower)
        self._hooks = [
            tower.register_forward_pre_hook(self._forward, with_kwargs=True),
            tower.register_full_backward_hook(self._backward),
        ]

    def _forward(self, tower, args, kwargs) -> None:
        self.images += len(kwargs["grid_thw"])

    def _backward(self, *args) -> None:
        self.backward += 1

    def remove(self) -> None:
        for hook in self._hooks:
            hook.remove()


def pixels_of(image: Image.Image) -> tuple[object, ...]:
    return image.mode, image.size, image.tobytes()


@pytest.fixture
def tower(policy: Policy):
    calls = TowerCalls(policy)
    yield calls
    calls.remove()


@pytest.mark.parametrize("checkpointing", [False, True])
def test_one_tower_pass_an_image_and_step_and_none_backward(
    policy: Policy, tower: TowerCalls, checkpointing: bool
) -> None:
    trajectories = [t for group in rolled(policy) for t in group.trajectories]
    distinct = len({pixels_of(image) for t in trajectories for image in t.images})
    shown = sum(len(t.images) for t in trajectories)
    assert 3 < distinct < shown
    assert tower.images == distinct
    policy.train()
    if checkpointing:
        policy.base.activation_checkpointing_enable({"use_reentrant": False})
    for start in (0, 5, 10):  # micro-batches
        policy(trajectories[start : start + 5]).sum().backward()
        policy.reference_logprobs(trajectories[start : start + 5])
    assert (tower.images, tower.backward) == (distinct, 0)
    policy.base.activation_checkpointing_disable()
    policy.features.clear()
    policy(trajectories)
    assert tower.images == 2 * distinct  # the control: nothing was kept


def test_two_questions_about_one_picture_share_its_tokens(
    policy: Policy, tower: TowerCalls
) -> None:
    sample = three_samples()[0]
    other = replace(
        sample, id="other", question="What shape is drawn?", images=(sample.images[0].copy(),)
    )
    sampling = Sampling(max_turns=2, max_new_tokens=24, rows=99, seed=0)
    engine = RolloutEngine(policy, make_conversation(policy.family), sampling)
    groups = engine.rollout([sample, other], 4, draw=0)
    seen = {pixels_of(i) for g in groups for t in g.trajectories for i in t.images}
    assert all(any(t.high for t in group.trajectories) for group in groups)
    assert tower.images == len(seen) == 2


def test_kept_features_are_those_of_the_pixels(policy: Policy, family: Family) -> None:
    images = [sample.images[0] for sample in three_samples()]
    with torch.no_grad():
        together = [tokens.values_LPD for tokens in policy.features([*images, images[0]])]
        assert together[0] is together[3]
        for image, (found_PD,) in zip(images, together, strict=False):
            pixels = family.pixels([image]).to(policy.base.device)
            alone_PD = policy.base.get_image_features(*vars(pixels).values()).pooler_output[0]
            atol = rounding(policy) * alone_PD.abs().max().item()
            torch.testing.assert_close(found_PD, alone_PD, atol=atol, rtol=0)
        difference_LPD = together[1][:, : together[0].shape[1]] - together[0]
        assert difference_LPD.abs().max() > 1e-3  # the control


def test_a_tower_that_trains_gets_its_gradients(policy: Policy, family: Family) -> None:
    rows = mixed_trajectories(family)
    tower = policy.base.get_submodule(family.vision_tower)
    with torch.no_grad():
        policy(rows)  # fills the cache, which must not be used below
    tower.requires_grad_(True)
    try:
        torch.cat([plain_logprobs(policy, row) for row in rows]).sum().backward()
        expected = gradients_of(policy)
        assert any("visual" in name for name in expected)
        calls = TowerCalls(policy)
        policy(rows).sum().backward()
        calls.remove()
        assert_same_gradients(gradients_of(policy), expected)
        assert calls.images == len({pixels_of(i) for row in rows for i in row.images})
    finally:
        tower.requires_grad_(False)
