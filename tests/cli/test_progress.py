"""The bar on stderr: without steps where nobody knows how many there are."""

from __future__ import annotations

import pytest

from xlcollab.cli import output
from xlcollab.cli.output import progress_bar
from xlcollab.progress import Progress


@pytest.fixture(autouse=True)
def at_once(monkeypatch) -> None:
    monkeypatch.setattr(output, "_BAR_AFTER", 0.0)


def test_without_a_total_the_bar_shows_time_and_objective_instead_of_steps(capsys) -> None:
    with progress_bar(quiet=False) as on_progress:
        on_progress(Progress("bias", 1200, 0, 0.31865497))
        on_progress.bar.refresh()
    shown = capsys.readouterr().err
    assert "bias: 00:00, 0.318655" in shown
    assert "it" not in shown


def test_with_a_total_the_bar_shows_how_far_it_has_come(capsys) -> None:
    with progress_bar(quiet=False) as on_progress:
        on_progress(Progress("training", 250, 1000))
        on_progress.bar.refresh()
    assert "training:  25%" in capsys.readouterr().err
