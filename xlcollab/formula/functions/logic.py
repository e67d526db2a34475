"""Choices: IF and its family, AND and OR, CHOOSE, LET.

A branch that no cell of the block takes is not evaluated. Where the condition depends on the changing cells the choice
is a kink or a jump, and the derivative is that of the branch taken.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from xlcollab.errors import FormulaError
from xlcollab.formula import ops
from xlcollab.formula.functions.declare import Refusal, Table, combined, error_of, known, logical
from xlcollab.formula.syntax import Name, Node, Omitted
from xlcollab.formula.tape import Slot
from xlcollab.formula.values import BLANK, BOOL, NA, NUMBER, TEXT, VALUE, Kinds, Values, constant, constant_error

if TYPE_CHECKING:
    from xlcollab.formula.evaluate import Evaluator, Operand

TABLE = Table()


def truth(values: Values) -> tuple[Any, Kinds | None]:
    """(is it true?, what stops it): numbers are true unless 0, 'TRUE' and 'FALSE' are read, other texts are #VALUE!."""
    if not values.known:
        return ops.opaque(lambda x: np.where(np.isnan(x), np.nan, (x != 0).astype(float)), values.num), None
    kinds, num = values.kinds, np.broadcast_to(values.num, values.shape)  # type: ignore[arg-type]
    holds = num != 0
    if values.kind is None:
        return holds, None
    errors = np.minimum(kinds, np.int8(0))
    if (kinds == TEXT).any():
        words = np.broadcast_to(values.text_or_blank, values.shape)  # type: ignore[arg-type]
        upper = np.array([str(w).upper() for w in words.ravel()], dtype=object).reshape(values.shape)
        holds = np.where(kinds == TEXT, upper == "TRUE", holds)
        errors = np.where((kinds == TEXT) & (upper != "TRUE") & (upper != "FALSE"), np.int8(VALUE), errors)
    return holds, errors if errors.any() else None


def choose_between(condition: Any, errors: Kinds | None, a: Values, b: Values) -> Values:
    """``a`` where the condition holds, else ``b``; errors of the condition come through."""
    num = ops.select(condition, a.num, b.num)
    if isinstance(condition, Slot):
        num = ops.select(ops.opaque(lambda c: np.isnan(c).astype(float), condition), ops.full(np.nan), num)
    kind: Any = None
    if a.kind is not None or b.kind is not None:
        kind = _either(condition, a.kinds_or_slot, b.kinds_or_slot)
    text: Any = None
    if a.text is not None or b.text is not None:
        text = _either(condition, a.text_or_blank, b.text_or_blank)
    if errors is not None:
        num = ops.select(errors != 0, ops.full(np.nan), num)
        kind = np.where(errors != 0, errors, 0 if kind is None else kind).astype(np.int8)
    if known(kind) and not kind.any():
        kind = None
    return Values(num, kind, text)


def _either(condition: Any, a: Any, b: Any) -> Any:
    return ops.opaque(lambda c, x, y: np.where(c != 0, x, y), condition, a, b)


def _lazily(
    condition: Any, errors: Kinds | None, a: Callable[[], Operand], b: Callable[[], Operand], context: Evaluator
) -> Operand:
    """Evaluate the branches that are taken; a reference stays one where all cells take the same branch."""
    if known(condition) and errors is None:
        if condition.all():
            return a()
        if not condition.any():
            return b()
    return choose_between(condition, errors, *(_operand_values(side(), context) for side in (a, b)))


def _operand_values(operand: Operand, context: Evaluator) -> Values:
    return context.one_value(operand)


@TABLE.add("IF", "VNN?", contextual=True)
def if_(context: Evaluator, condition: Values, yes: Node, no: Node | None = None) -> Operand:
    """IF(condition, yes, no): FALSE where ``no`` is not given, 0 where it is left empty."""
    holds, errors = truth(condition)
    otherwise = (lambda: constant(False)) if no is None else (lambda: _branch(context, no))
    return _lazily(holds, errors, lambda: _branch(context, yes), otherwise, context)


def _branch(context: Evaluator, node: Node) -> Operand:
    return constant(0.0) if isinstance(node, Omitted) else context.operand(node)


@TABLE.add("IFS", "(VN)*", contextual=True)
def ifs(context: Evaluator, *args: Any) -> Operand:
    """The value behind the first condition that holds; #N/A where none does."""

    def from_pair(i: int) -> Operand:
        if i == len(args):
            return constant_error(NA)
        holds, errors = truth(args[i])
        return _lazily(holds, errors, lambda: _branch(context, args[i + 1]), lambda: from_pair(i + 2), context)

    return from_pair(0)


@TABLE.add("SWITCH", "VN(N)*", contextual=True)
def switch(context: Evaluator, value: Values, *args: Any) -> Operand:
    """The result behind the first case that equals the value; the last argument where it stands alone, else #N/A."""
    from xlcollab.formula.functions.operators import compare

    def from_pair(i: int) -> Operand:
        if i == len(args):
            return constant_error(NA)
        if i == len(args) - 1:
            return _branch(context, args[i])
        holds, errors = truth(compare("=", value, context.values(args[i])))
        return _lazily(holds, errors, lambda: _branch(context, args[i + 1]), lambda: from_pair(i + 2), context)

    return from_pair(0)


def failed(values: Values, which: int | None = None) -> Any:
    """Which elements are errors (of one kind, where ``which`` is given): bool array, or slot of 0 and 1."""
    if values.known:
        return values.kinds < 0 if which is None else values.kinds == which
    if which is not None:
        raise Refusal("has no rule for telling one error from another where it depends on the changing cells")
    return ops.opaque(
        lambda x, kinds: ((np.isnan(x) & (kinds <= NUMBER)) | (kinds < 0)).astype(float),
        values.num,
        values.kinds_or_slot,
    )


@TABLE.add("IFERROR", "VN", contextual=True)
def iferror(context: Evaluator, value: Values, otherwise: Node) -> Operand:
    """The value, or ``otherwise`` where it is an error."""
    bad = failed(value)
    if known(bad) and not bad.any():
        return _blank_to_zero(value)
    return choose_between(bad, None, _operand_values(_branch(context, otherwise), context), _blank_to_zero(value))


@TABLE.add("IFNA", "VN", contextual=True)
def ifna(context: Evaluator, value: Values, otherwise: Node) -> Operand:
    """The value, or ``otherwise`` where it is #N/A."""
    bad = failed(value, NA)
    if not bad.any():
        return _blank_to_zero(value)
    return choose_between(bad, None, _operand_values(_branch(context, otherwise), context), _blank_to_zero(value))


def _blank_to_zero(values: Values) -> Values:
    if not known(values.kind):
        return values
    kind = np.where(values.kind == BLANK, np.int8(NUMBER), values.kind)  # type: ignore[arg-type]
    return Values(values.num, kind if kind.any() else None, values.text)


def _fold(args: tuple[Values, ...], fold: Callable[..., Any]) -> Values:
    """AND, OR, XOR: over all numbers and truth values; texts and empty cells in ranges are passed over."""
    columns: list[tuple[Any, Any]] = []
    errors: list[Kinds] = []
    seen: Any = ops.full(0.0)
    for arg in args:
        alone = not arg.from_range and arg.shape[2:] == (1, 1)
        if not arg.known:
            holds = ops.opaque(lambda x: np.where(np.isnan(x), np.nan, (x != 0).astype(float)), arg.num)
            counts = ops.opaque(lambda kinds: (kinds == NUMBER) | (kinds == BOOL) | (kinds < 0), arg.kinds_or_slot)
            columns.append((holds, np.ones((1, 1, 1, 1), bool) if alone else counts))
            seen = seen + (1 if alone or isinstance(counts, Slot) else counts.sum((2, 3), keepdims=True))
            continue
        holds, stop = truth(arg) if alone else (arg.num != 0, error_of(arg))
        counts = np.ones(arg.shape, bool) if alone else (arg.kinds == NUMBER) | (arg.kinds == BOOL)
        columns.append((holds, counts))
        if stop is not None:
            row = stop.reshape(*stop.shape[:2], -1)
            errors.append(np.take_along_axis(row, (row < 0).argmax(-1)[..., None], -1)[..., None])
        seen = seen + counts.sum((2, 3), keepdims=True)
    folded = fold(columns)
    stopped = combined(errors)
    nothing = np.where(seen == 0, np.int8(VALUE), np.int8(0))
    stopped = combined((stopped, nothing if nothing.any() else None))
    if isinstance(folded, Slot) and stopped is not None:
        folded = ops.select(stopped != 0, ops.full(np.nan), folded)
        stopped = None
    return logical(folded, stopped)


def _reduced(columns: list[tuple[Any, Any]], reduce: Callable[..., Any], neutral: float) -> Any:
    """Reduce each argument over its range, then over the arguments."""

    def replay(*arrays: Any) -> Any:
        whole = None
        for holds, counts in zip(arrays[::2], arrays[1::2], strict=True):
            one = reduce(np.where(counts != 0, holds, neutral), (2, 3))
            whole = one if whole is None else reduce(np.stack(np.broadcast_arrays(whole, one)), (0,))[0]
        return whole

    return ops.opaque(replay, *(part for column in columns for part in column))


@TABLE.add("AND", "R*")
def and_(*args: Values) -> Values:
    """Whether all are true."""
    return _fold(args, lambda c: _reduced(c, lambda a, axes: a.astype(float).min(axes, keepdims=True), 1.0))


@TABLE.add("OR", "R*")
def or_(*args: Values) -> Values:
    """Whether one is true."""
    return _fold(args, lambda c: _reduced(c, lambda a, axes: a.astype(float).max(axes, keepdims=True), 0.0))


@TABLE.add("XOR", "R*")
def xor(*args: Values) -> Values:
    """Whether an odd number is true."""
    return _fold(args, lambda c: _reduced(c, lambda a, axes: a.astype(float).sum(axes, keepdims=True) % 2, 0.0))


@TABLE.add("NOT", "V")
def not_(value: Values) -> Values:
    """The opposite."""
    holds, errors = truth(value)
    if isinstance(holds, Slot):
        return logical(ops.opaque(lambda h: 1.0 - h, holds))
    return logical(~holds, errors)


@TABLE.add("CHOOSE", "VN*", contextual=True)
def choose(context: Evaluator, index: Values, *choices: Node) -> Operand:
    """The choice at ``index``, counted from 1 and cut to a whole number; #VALUE! outside."""
    if index.known and index.shape == (1, 1, 1, 1) and index.kind is None:
        at = int(index.num.item())  # type: ignore[union-attr]
        if 1 <= at <= len(choices):
            return _branch(context, choices[at - 1])
    errors = error_of(index)
    chosen = constant_error(VALUE)
    for k, node in reversed(list(enumerate(choices, start=1))):
        here = ops.opaque(lambda x, k=k: (np.trunc(x) == k).astype(float), index.num)
        if known(here):
            here = here != 0
            if not here.any():
                continue
        chosen = choose_between(here, None, _operand_values(_branch(context, node), context), chosen)
    return chosen if errors is None else choose_between(errors == 0, errors, chosen, chosen)


@TABLE.add("LET", "NN(N)*", contextual=True)
def let(context: Evaluator, *args: Node) -> Operand:
    """LET(name, value, …, formula)."""
    if len(args) % 2 == 0:
        raise FormulaError("LET needs a formula behind its names and values")

    def bind(i: int) -> Operand:
        if i == len(args) - 1:
            return context.operand(args[i])
        name = args[i]
        if not isinstance(name, Name):
            raise FormulaError("LET names something that is no name")
        return context.with_variable(name.name, context.operand(args[i + 1]), lambda: bind(i + 2))

    return bind(0)
