"""Labels as columns of a table, with the names that they have beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from xlcollab.ratings import Label

__all__ = ["label_columns"]


def label_columns(
    kind: str, labels: Sequence[Label], names: Mapping[Label, str], named: str = "name"
) -> dict[str, list[Label]]:
    """The columns ``kind`` ('user', 'item') and, where there are names, ``named``, empty for labels without one."""
    columns = {kind: list(labels)}
    return columns | {named: [names.get(label, "") for label in labels]} if names else columns
