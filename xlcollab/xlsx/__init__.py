"""The file layer: Excel workbooks as packages of parts, read, patched and added to without losing a byte.

::

    book.xlsx ─► archive ─► package ─► workbook ─► sheets ─► scan ─► cells
    (bytes)      (entries)  (parts)       │           └────► patch (values in place)
                                          └─ graft ◄─ newsheet ◄─ styles, charts (sheets of our own)

`Workbook` in `workbook` is the door; `cells` holds what every other module speaks: addresses, areas, cell values.
The layer knows no ratings and no NumPy; it takes iterables of rows. What it writes it writes by itself, small parts
with lxml and sheets as a stream, because a part that nobody here understands has to stay as it is, to the byte.
"""
