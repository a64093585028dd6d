"""The verb ``evaluate``: a policy on benchmarks, in several modes side by side."""
