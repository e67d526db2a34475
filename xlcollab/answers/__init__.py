"""What a fit is asked once it is there: who is alike, what to recommend, who is new, and why.

`xlcollab.fitted.Fit` turns labels into positions and back for what is computed here on arrays; a `Newcomer` and an
`Explanation`, which it hands out, speak in labels.
"""
