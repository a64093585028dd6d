"""A trained policy as the hub would have it: the adapter, or merged weights."""
