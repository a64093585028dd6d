"""When an answer matches the ground truth: one file a rule, each a function of the two texts.

A rule says yes only where it is sure. Its no means "not by this rule": a later rule, or a judge,
may still say yes. That side is the safe one, since a policy learns to please a rule that errs.
"""

from visionthink_pl.rewards.rules.text import normalise

__all__ = ["normalise"]
