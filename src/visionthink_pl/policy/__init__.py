"""The model as it is trained: loading, adapters, inputs, log-probabilities."""

from visionthink_pl.policy.adapter import add_adapter, start_from
from visionthink_pl.policy.distribution import log_distribution
from visionthink_pl.policy.load import check_loadable, load_policy
from visionthink_pl.policy.policy import Policy
from visionthink_pl.policy.tuning import Full, Lora, Tuning, refuse_no_adapter

__all__ = [
    "Full",
    "Lora",
    "Policy",
    "Tuning",
    "add_adapter",
    "check_loadable",
    "load_policy",
    "log_distribution",
    "refuse_no_adapter",
    "start_from",
]
