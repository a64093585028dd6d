"""Tensors that have shapes and no values, and the bytes and FLOPs that real ones would take."""

from __future__ import annotations

import weakref
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils.flop_counter import flop_registry

Bytes = Counter[str]  # by kind
Place = tuple[str, str]  # of a step: its phase, and the layer it is at
OTHER = "activations"
LARGE = 2**22  # elements

aten = torch.ops.aten


def _attention(query: Tensor, key: Tensor, value: Tensor, *_: Any, **__: Any) -> int:
    """Scores, and their product with the values."""
    batch, heads, length, width = query.shape
    return 2 * batch * heads * length * key.shape[2] * (width + value.shape[3])


def _attention_backward(
    _: Tensor, query: Tensor, key: Tensor, value: Tensor, *__: Any, **___: Any
) -> int:
    """Scores once more, and a product for their gradients and those of query, key and value."""
    batch, heads, length, width = query.shape
    return 2 * batch * heads * length * key.shape[2] * (3 * width + 2 * value.shape[3])


# torch's own formulas for attention are not there for the CPU's kernels in every release, or do
# not know of heads that share their keys.
FLOPS: dict[Any, Callable[..., int]] = flop_registry | {
    aten._scaled_dot_product_flash_attention_for_cpu: _attention,
    aten._scaled_dot_product_flash_attention_for_cpu_backward: _attention_backward,
}


class Ghost(Tensor):
    """A tensor on the CPU without values: kernels are chosen, and types cast, as for a real one.

    torch's own FakeTensor does the same and more, and takes several times as long.

    Args:
        meta: the tensor on the meta device that has its shape, and whose storage stands for its.
    """

    meta: Tensor
    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]

    @staticmethod
    def __new__(cls, meta: Tensor) -> Ghost:
        ghost: Ghost = torch.Tensor._make_wrapper_subclass(
            cls,
            meta.shape,
            strides=meta.stride(),
            storage_offset=meta.storage_offset(),
            dtype=meta.dtype,
            device=torch.device("cpu"),
        )
        ghost.meta = meta
        return ghost

    def item(self) -> float:
        """Any number: what is logged asks for one."""
        return 1.0

    def tolist(self) -> list[float]:
        return [1.0] * self.numel()

    @classmethod
    def __torch_dispatch__(  # type: ignore[override]
        cls, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        return _Call().run(func, args, kwargs or {})


class _Call:
    """One operation: run for real where all of its tensors are."""

    def __init__(self) -> None:
        self.ghostly = False
        self._originals: dict[int, Tensor] = {}  # by their stand-in

    def run(self, func: Any, args: Any, kwargs: dict[str, Any]) -> Any:
        self.ghostly = any(isinstance(tensor, Ghost) for tensor in tensors_in((args, kwargs)))
        if not self.ghostly:
            return _without_values(func(*args, **kwargs))
        if kwargs.get("device") is not None:
            kwargs = kwargs | {"device": "meta"}
        return self._rise(func(*self._sink(args), **self._sink(kwargs)))

    def _sink(self, value: Any) -> Any:
        if isinstance(value, Tensor):
            meta = value.meta if isinstance(value, Ghost) else value.to("meta")
            self._originals[id(meta)] = value
            return meta
        if isinstance(value, list | tuple):
            return [self._sink(item) for item in value]
        if isinstance(value, dict):
            return {key: self._sink(item) for key, item in value.items()}
        return value

    def _rise(self, value: Any) -> Any:
        if isinstance(value, Tensor):
            original = self._originals.get(id(value))  # of what was changed in place
            return Ghost(value) if original is None else original
        if isinstance(value, list | tuple):
            return type(value)(self._rise(item) for item in value)
        return value


def _without_values(out: Any) -> Any:
    """Indices are needed as they are; masks as large as this are not, and would take time."""
    large = isinstance(out, Tensor) and out.numel() > LARGE
    return Ghost(out.to("meta")) if large else out


def tensors_in(value: Any) -> Iterator[Tensor]:
    """All tensors in lists, tuples and dicts."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, list | tuple):
        for item in value:
            yield from tensors_in(item)
    elif isinstance(value, dict):
        yield from tensors_in(list(value.values()))


class Ledger(TorchDispatchMode):
    """Books every storage that an operation makes, until the last tensor lets go of it.

    Args:
        kind_of: of a new tensor, from the operation that made it.

    Attributes:
        live: bytes in use now.
        peaks: for each place, the bytes in use when they were most there.
        flops: so far, by phase.
        times: what one operation stands for: as many, each with storages and FLOPs of its own.
    """

    def __init__(self, kind_of: Callable[[Any, Tensor], str]) -> None:
        super().__init__()
        self._kind_of = kind_of
        self._held: dict[int, tuple[weakref.ref[Any], str, int]] = {}
        self.live: Bytes = Counter()
        self.peaks: dict[Place, Bytes] = {}
        self.flops: Counter[str] = Counter()
        self.times = 1
        self._phase, self._turn, self._most, self._total = "", 0, 0, 0
        self._place: Place = "", ""

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        out = _Call().run(func, args, kwargs or {})
        if count := FLOPS.get(func._overloadpacket):
            self.add_flops(count(*args, **(kwargs or {}), out_val=out))
        for tensor in tensors_in(out):
            self.hold(tensor, func)
        return out

    @property
    def total_flops(self) -> int:
        """So far, over all phases."""
        return self.flops.total()

    def add_flops(self, count: int) -> None:
        """Those of one operation."""
        self.flops[self._phase] += self.times * count

    def hold(self, tensor: Tensor, func: Any = None, kind: str | None = None) -> None:
        """Book a tensor's storage, if it is new."""
        storage = _storage(tensor)
        key = storage._cdata
        if key not in self._held:
            kind, size = kind or self._kind_of(func, tensor), self.times * storage.nbytes()
            self._held[key] = weakref.ref(storage, partial(self._free, key)), kind, size
            self._add(kind, size)

    def rename(self, tensors: Sequence[Tensor], kind: str) -> None:
        """Book tensors under another kind."""
        for key in {_storage(tensor)._cdata for tensor in tensors}:
            ref, old, size = self._held[key]
            self._held[key] = ref, kind, size
            self.live[old] -= size
            self.live[kind] += size

    def go(self, phase: str, turn: int = 0) -> None:
        """The step has come to this phase, of a turn: what is in use in one turn is compared with
        the same turn of another depth alone."""
        self._phase, self._turn = phase, turn
        self.at("")

    def at(self, layer: str) -> None:
        """The step has come to this layer."""
        self._place = self._phase, f"turn {self._turn} {layer}" if self._turn else layer
        self._most = self.peaks.get(self._place, Counter[str]()).total()
        self._add(OTHER, 0)

    def _add(self, kind: str, size: int) -> None:
        self.live[kind] += size
        self._total += size
        if self._total > self._most:
            self._most = self._total
            self.peaks[self._place] = self.live.copy()

    def _free(self, key: int, _: Any) -> None:
        _, kind, size = self._held.pop(key)
        self.live[kind] -= size
        self._total -= size


def _storage(tensor: Tensor) -> torch.UntypedStorage:
    return (tensor.meta if isinstance(tensor, Ghost) else tensor).untyped_storage()
