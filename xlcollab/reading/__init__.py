"""Tables of ratings in workbooks, files of text and DataFrames: where they lie, and what they hold.

::

    sheet ─► sheet_grid ─────────────┐
                                     ├─► grid ─► rectangles, long_tables ─► crosstab ─┐
    text ─► dialect ─► text_tables ──┘                                                ├─► coding ─► Ratings
    DataFrame, parquet ─► frames ─────────────────────────────────────────────────────┘

`tables` tells which way a file goes by its first bytes. What finds and reads the tables of a workbook loads no NumPy.
"""
