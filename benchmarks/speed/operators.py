"""What a computation asks of the hardware, operator by operator: floating-point operations, and bytes that must move.

Each operator counts as eager PyTorch hands it to the device; a fused network would have fewer of them and move less.

- Operations are multiplications and additions, one each. A convolution takes two for every pair of a weight and an
  input that it meets, which leaves out the zeros of the padding (a fifth of the pairs on maps of 6x6): libraries skip
  them. Its backward pass takes as many for the gradient of the inputs, and again for that of the weights. Matrix
  products and attention are counted by `torch.utils.flop_counter`, grid samples by `grid_sample`. Elementwise
  operators, norms and poolings count none: memory bounds them.
- Bytes are those of every tensor an operator reads, once, and of every one it writes, once. Broadcast tensors count
  without repetitions, and of an indexed one the elements that are taken. Views and empty tensors move nothing. What a
  kernel reads twice, packs or keeps for itself is not counted.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import product
from math import prod
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

GROUPS = {
    "convolutions": ("convolution",),
    "matrix products": ("mm", "attention"),
    "norm, activation, pooling": (
        *("batch_norm", "layer_norm", "group_norm", "pool"),
        *("relu", "elu", "silu", "swish", "sigmoid", "threshold"),
    ),
    "grid sample": ("grid_sampler",),
}
"""Groups by parts of an operator's name, the first that fits; else OTHER."""
OTHER = "the rest"

WRITE_ONLY = {"copy_", "_foreach_copy_", "fill_", "zero_", "_foreach_zero_", "uniform_", "normal_", "random_"}
"""Operators in place that do not read what they write to."""
PICKS = {"index", "index_select", "gather", "embedding"}
"""Operators that read of their first tensor as much as they return."""
MOVE_NOTHING = {
    *("empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided"),
    *("_unsafe_view", "as_strided_", "detach_", "squeeze_", "t_", "transpose_", "unsqueeze_"),
}
"""Operators that give memory without values, or look at the same memory in another way."""


@dataclass(frozen=True)
class Operator:
    """One call: `moved` are bytes read and written, `touched` the bytes of the memory they lie in."""

    name: str
    dtype: torch.dtype  # of the factors, where there are operations
    operations: int
    moved: int
    touched: int

    @property
    def group(self) -> str:
        return next((group for group, parts in GROUPS.items() if any(part in self.name for part in parts)), OTHER)


class Operators(TorchDispatchMode):
    """A context in which each operator is run and noted in `found`: backward passes and optimizers included."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[Operator] = []

    def __torch_dispatch__(
        self, func: Any, types: Sequence[type], args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        with self:  # in inference mode, operators that are made of others arrive whole
            result = func.decompose(*args, **kwargs)
        if result is NotImplemented:
            result = func(*args, **kwargs)
            operator = counted(func, args, kwargs, result)
            if operator.moved:
                self.found.append(operator)
        return result


def counted(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> Operator:
    """The counts of one call of an ATen operator that has returned `result`."""
    name: str = func._schema.name.removeprefix("aten::")
    read, written = _read_and_written(func._schema, name, args, kwargs, result)
    distinct = {tensor.data_ptr(): _bytes(tensor) for tensor in (*read, *written)}
    moved, touched = sum(map(_bytes, (*read, *written))), sum(distinct.values())
    if name in PICKS:
        surplus = _bytes(read[0]) - sum(map(_bytes, written))
        moved, touched = moved - surplus, touched - surplus
    dtype = read[0].dtype if read else torch.float32
    return Operator(name, dtype, _operations(func, args, kwargs, result), moved, touched)


def _read_and_written(
    schema: Any, name: str, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any
) -> tuple[list[Tensor], list[Tensor]]:
    """By what the operator's schema says of its arguments; nothing of one that returns a view or makes no values."""
    returns_view = any(one.alias_info is not None and not one.alias_info.is_write for one in schema.returns)
    if returns_view or name in MOVE_NOTHING:
        return [], []
    reads_values = not name.startswith("new_") and not name.endswith("_like")
    read, written = list[Tensor](), list[Tensor]()
    named = {argument.name: value for argument, value in zip(schema.arguments, args, strict=False)} | kwargs
    for argument in schema.arguments:
        tensors = _tensors(named.get(argument.name))
        changed = argument.alias_info is not None and argument.alias_info.is_write
        if changed:
            written += tensors
        if reads_values and not (changed and (name in WRITE_ONLY or argument.is_out)):
            read += tensors
    if not schema.is_mutable or any(one.alias_info is None for one in schema.returns):
        written += _tensors(result)
    return read, written


def _tensors(values: Any) -> list[Tensor]:
    return [leaf for leaf in tree_leaves(values) if isinstance(leaf, Tensor)]


def _bytes(tensor: Tensor) -> int:
    """Of the elements in memory: a dimension of stride 0 has one."""
    sizes = zip(tensor.shape, tensor.stride(), strict=True)
    return prod(size if stride else min(size, 1) for size, stride in sizes) * tensor.element_size()


def _operations(func: Any, args: tuple[Any, ...], kwargs: dict[str, Any], result: Any) -> int:
    packet = func._overloadpacket
    if packet in OWN_COUNTS:
        return OWN_COUNTS[packet](args, result)
    return flop_registry[packet](*args, **kwargs, out_val=result) if packet in flop_registry else 0


def convolution(args: tuple[Any, ...], result: Tensor) -> int:
    """Of a call (inputs, weight, bias, stride, padding, dilation, transposed, ...)."""
    inputs, weight, _, stride, padding, dilation, transposed = args[:7]
    small, large = (inputs, result) if transposed else (result, inputs)
    return _pairs(small, large, weight, stride, padding, dilation)


def convolution_backward(args: tuple[Any, ...], result: tuple[Tensor | None, ...]) -> int:
    """Of a call (gradient, inputs, weight, bias sizes, stride, padding, dilation, transposed, ...)."""
    gradient, inputs, weight, _, stride, padding, dilation, transposed = args[:8]
    small, large = (inputs, gradient) if transposed else (gradient, inputs)
    return _pairs(small, large, weight, stride, padding, dilation) * sum(one is not None for one in result[:2])


def _pairs(
    small: Tensor, large: Tensor, weight: Tensor, stride: list[int], padding: list[int], dilation: list[int]
) -> int:
    """Two operations for each place of a kernel that lies within `large` as it moves there, `small` steps a side.

    `small` is [B,C,...] and the weight [C,channels of the other side in a group,...].
    """

    def within(side: int) -> int:
        places = product(range(small.shape[2 + side]), range(weight.shape[2 + side]))
        shifted = (step * stride[side] - padding[side] + tap * dilation[side] for step, tap in places)
        return sum(0 <= place < large.shape[2 + side] for place in shifted)

    return 2 * len(small) * weight.shape[0] * weight.shape[1] * prod(map(within, range(weight.dim() - 2)))


def grid_sample(args: tuple[Any, ...], result: Tensor) -> int:
    """Bilinear: 36 for each pixel of the output, and 7 for each of its channels.

    Each of two coordinates takes 3 to scale from [-1,1] to pixels, 8 to reflect at the border, 2 to clip. Their
    distances to the four neighbours take 6 (two roundings, four differences), the weights 4 products. A channel takes
    4 products and 3 sums.
    """
    pixels = result.numel() // result.shape[1]
    return 36 * pixels + 7 * result.numel()


OWN_COUNTS: dict[Any, Callable[[tuple[Any, ...], Any], int]] = {
    torch.ops.aten.convolution: convolution,
    torch.ops.aten.convolution_backward: convolution_backward,
    torch.ops.aten.grid_sampler_2d: grid_sample,
}
"""In place of torch's own counts, which take convolutions in groups for dense ones on their way back."""


def groups(operators: Iterable[Operator]) -> dict[str, list[Operator]]:
    """Operators by group, in the order of GROUPS."""
    found: dict[str, list[Operator]] = {group: [] for group in (*GROUPS, OTHER)}
    for operator in operators:
        found[operator.group].append(operator)
    return {group: members for group, members in found.items() if members}
