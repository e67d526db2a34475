"""What a person sees in Excel: the sheets of a result workbook, and ``report.write_report`` which writes them."""
