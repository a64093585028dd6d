"""Rules by which an answer matches a ground truth: one file each, with a function of both texts.

A rule accepts an answer only if it is sure. If it does not, a later rule or a judge may still
accept the answer. Errors on this side are safer, since a policy learns to exploit the errors of a
rule that accepts too much.
"""

from visionthink_pl.rewards.rules.text import normalise

__all__ = ["normalise"]
