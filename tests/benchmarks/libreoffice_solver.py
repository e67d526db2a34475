"""One Solver model run by LibreOffice's own solver, in LibreOffice's Python; `bench_solve.py` calls it.

    /usr/bin/python3 libreoffice_solver.py MODEL.json

The document says ``book``, ``sheet``, ``objective``, ``variables`` (a list of ranges), ``constraints`` (rows of left
range, '<=', '>=' or '=', and right range or number), ``maximise``, ``solver`` (an implementation name), ``properties``
of it, ``profile``, a folder for LibreOffice's settings, and ``limit`` in seconds, after which LibreOffice is ended.
Printed is a document with the value reached and the seconds, or why there is none.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from itertools import product

import uno
from com.sun.star.beans import PropertyValue
from com.sun.star.sheet import SolverConstraint
from com.sun.star.sheet.SolverConstraintOperator import EQUAL, GREATER_EQUAL, LESS_EQUAL
from com.sun.star.table import CellAddress

_OPERATORS = {"<=": LESS_EQUAL, ">=": GREATER_EQUAL, "=": EQUAL}
_PIPE = "xlcollab-bench"


def main() -> None:
    """Start LibreOffice, solve, print, and end it."""
    with open(sys.argv[1], encoding="utf-8") as file:
        model = json.load(file)
    office = subprocess.Popen(
        [
            "soffice",
            "--headless",
            "--norestore",
            f"--accept=pipe,name={_PIPE};urp;",
            f"-env:UserInstallation=file://{model['profile']}",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    late = threading.Timer(model["limit"], os.killpg, (office.pid, signal.SIGKILL))
    late.start()
    try:
        context = _connect()
        desktop = context.ServiceManager.createInstanceWithContext("com.sun.star.frame.Desktop", context)
        hidden = PropertyValue("Hidden", 0, True, 0)
        book = desktop.loadComponentFromURL(f"file://{model['book']}", "_blank", 0, (hidden,))
        print(json.dumps(_solve(context, book, model)))
        late.cancel()
        book.close(True)
        desktop.terminate()
        office.wait(30)
    except uno.getClass("com.sun.star.lang.DisposedException"):
        print(json.dumps({"missing": f"no answer in {model['limit']} s"}))
    finally:
        late.cancel()
        if office.poll() is None:
            os.killpg(office.pid, signal.SIGKILL)


def _connect() -> object:
    local = uno.getComponentContext()
    resolver = local.ServiceManager.createInstanceWithContext("com.sun.star.bridge.UnoUrlResolver", local)
    for _ in range(60):
        try:
            return resolver.resolve(f"uno:pipe,name={_PIPE};urp;StarOffice.ComponentContext")
        except Exception:
            time.sleep(0.5)
    raise SystemExit("LibreOffice did not start.")


def _solve(context, book, model) -> dict:
    sheet = book.Sheets.getByName(model["sheet"])

    def cells(reference: str) -> list:
        area = sheet.getCellRangeByName(reference).RangeAddress
        rows, columns = range(area.StartRow, area.EndRow + 1), range(area.StartColumn, area.EndColumn + 1)
        return [CellAddress(area.Sheet, column, row) for row, column in product(rows, columns)]

    solver = context.ServiceManager.createInstanceWithContext(model["solver"], context)
    if solver is None:
        return {"missing": "this LibreOffice does not have it"}
    solver.Document = book
    solver.Objective = cells(model["objective"])[0]
    solver.Variables = tuple(cell for area in model["variables"] for cell in cells(area))
    rows = []
    for left, operator, right in model["constraints"]:
        sides = cells(right) if isinstance(right, str) else None
        for i, cell in enumerate(cells(left)):
            rows.append(SolverConstraint(cell, _OPERATORS[operator], sides[i] if sides else float(right)))
    solver.Constraints = tuple(rows)
    solver.Maximize = model["maximise"]
    for name, value in model["properties"].items():
        solver.setPropertyValue(name, value)  # an attribute that is set fails for solvers in Java
    began = time.perf_counter()
    solver.solve()
    seconds = time.perf_counter() - began
    if not solver.Success:
        return {"missing": f"no answer after {seconds:.2f} s"}
    for cell, value in zip(solver.Variables, solver.Solution, strict=True):
        sheet.getCellByPosition(cell.Column, cell.Row).Value = value
    # SwarmSolver's own ResultValue is 0 whatever it found.
    reached = sheet.getCellByPosition(solver.Objective.Column, solver.Objective.Row).Value
    return {"value": reached, "seconds": seconds}


if __name__ == "__main__":
    main()
