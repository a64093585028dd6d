"""The model as it is trained: loading, adapters, inputs, log-probabilities."""

from typing import TYPE_CHECKING

from visionthink_pl.internals.late import late
from visionthink_pl.policy.tuning import Full, Lora, Tuning, refuse_no_adapter

if TYPE_CHECKING:
    from visionthink_pl.policy.adapter import add_adapter, start_from
    from visionthink_pl.policy.distribution import log_distribution
    from visionthink_pl.policy.load import check_loadable, load_policy
    from visionthink_pl.policy.policy import Policy
    from visionthink_pl.policy.policy_options import PolicyOptions

__all__ = [
    "Full",
    "Lora",
    "Policy",
    "PolicyOptions",
    "Tuning",
    "add_adapter",
    "check_loadable",
    "load_policy",
    "log_distribution",
    "refuse_no_adapter",
    "start_from",
]

# peft takes seconds to load, and so does torch, which ``tuning`` does not need.
__getattr__ = late(
    __name__,
    {
        "add_adapter": "adapter",
        "start_from": "adapter",
        "log_distribution": "distribution",
        "check_loadable": "load",
        "load_policy": "load",
        "Policy": "policy",
        "PolicyOptions": "policy_options",
    },
)
