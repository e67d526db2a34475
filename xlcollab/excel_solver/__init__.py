"""Excel's Solver: the models that people store in their workbooks, read, described, solved and written back.

::

    names      hidden solver_* names ↔ SolverModel
    describe   a SolverModel in the words of Excel's dialog; whether it can be solved here, and why not
    problem    SolverModel + Program → bounds, integers and rows of constraints, as arrays
    engines    chooses what runs:  linear │ nonlinear │ least_squares │ branch_and_bound, conflict
    outcome    Excel's result codes and sentences, and how ours map to them
    solve      book in, solved book out

"excel_solver" always means Excel's Solver; "solver" always means one of ours.
"""
