"""Visual tokens that are kept against those computed anew."""

import pytest
import torch

from equivalence.naive import plain_logprobs
from model_helpers import (
    assert_same_gradients,
    gradients_of,
    mixed_trajectories,
    rolled,
    three_samples,
)
from visionthink_pl.families import Family
from visionthink_pl.policy import Policy

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


@pytest.fixture
def tower(policy: Policy):
    calls = TowerCalls(policy)
    yield calls
    calls.remove()


def test_one_tower_pass_an_image_and_step_and_none_backward(
    policy: Policy, tower: TowerCalls
) -> None:
    trajectories = [t for group in rolled(policy) for t in group.trajectories]
    distinct = len({id(image) for t in trajectories for image in t.images})
    shown = sum(len(t.images) for t in trajectories)
    assert 3 < distinct < shown
    assert tower.images == distinct
    for start in (0, 5, 10):  # micro-batches
        policy(trajectories[start : start + 5]).sum().backward()
        policy.reference_logprobs(trajectories[start : start + 5])
    assert (tower.images, tower.backward) == (distinct, 0)
    policy.features.clear()
    policy(trajectories)
    assert tower.images == 2 * distinct  # the control: nothing was kept


def test_kept_features_are_those_of_the_pixels(policy: Policy, family: Family) -> None:
    images = [sample.image for sample in three_samples()]
    with torch.no_grad():
        together = [tokens.values_PD for tokens in policy.features([*images, images[0]])]
        assert together[0] is together[3]
        for image, found_PD in zip(images, together, strict=False):
            alone_PD = policy.base.get_image_features(
                *vars(family.pixels([image])).values()
            ).pooler_output[0]
            torch.testing.assert_close(found_PD, alone_PD, atol=1e-6, rtol=1e-6)
        assert (together[1][: len(together[0])] - together[0]).abs().max() > 1e-3  # the control


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
        policy(rows).sum().backward()
        assert_same_gradients(gradients_of(policy), expected)
    finally:
        tower.requires_grad_(False)
