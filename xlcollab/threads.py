"""BLAS on one thread while our solvers run.

They multiply many small matrices. There a pool of threads gains nothing on an idle machine, and on a busy one its
threads spin while they wait for each other: a solve of the lesson's workbook took 9 s instead of 3, a fit of ML-100k
13 s instead of 7 (two cores, both busy). One thread also adds up in the same order whatever the number of cores.
"""

from __future__ import annotations

from contextlib import AbstractContextManager

__all__ = ["single_threaded_blas"]


def single_threaded_blas() -> AbstractContextManager[object]:
    """Within it the BLAS libraries that are loaded use one thread, in the whole process."""
    from threadpoolctl import threadpool_limits

    return threadpool_limits(limits=1, user_api="blas")  # type: ignore[no-any-return]
