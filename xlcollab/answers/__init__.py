"""What a fit is asked once it is there: who is alike, what to recommend, who is new, and why.

Everything here works on positions and arrays; `xlcollab.fitted.Fit` turns labels into positions and back.
"""
