"""torch.distributed: the key-value store that its processes have met at."""

from __future__ import annotations

from torch.distributed.distributed_c10d import Store, _get_default_store


def shared_store() -> Store:
    """The store of the default process group; the first process holds it."""
    return _get_default_store()
