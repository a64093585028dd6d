"""The model as it is trained: loading, adapters, inputs, log-probabilities."""

from visionthink_pl.policy.adapter import Lora, add_adapter
from visionthink_pl.policy.distribution import log_distribution
from visionthink_pl.policy.load import check_loadable, load_policy
from visionthink_pl.policy.policy import Policy

__all__ = [
    "Lora",
    "Policy",
    "add_adapter",
    "check_loadable",
    "load_policy",
    "log_distribution",
]
