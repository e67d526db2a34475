"""Excel formulas → one differentiable program.

::

    text ─ tokens ─ parse ─► syntax tree ┐
    cells ─ r1c1 ─ blocks ─► blocks ─────┼─ graph ─► blocks in order ─ evaluate ─┬─► values      (recalculate)
    sheets ─ grid ─► what the book holds ┘                                        └─► tape, pages (program, replay)

Each Excel function is written once (`functions`), over operations (`ops`, `algebra`) that compute at once on what is
known and record themselves on a tape where something depends on the changing cells. `parse`, `blocks` and the list of
functions load no NumPy.
"""
