"""Percentiles are numpy's own, to the last digits."""

from __future__ import annotations

import numpy as np
import pytest

from twinwatch.proof.ranks import median, percentile


@pytest.mark.parametrize("shape", [(1,), (2,), (7,), (64,), (13, 31)])
@pytest.mark.parametrize("share", [0, 1, 50, 90, 99, 100])
def test_a_percentile_is_numpys(shape: tuple[int, ...], share: float) -> None:
    values = np.random.default_rng(shape[0]).normal(size=shape)
    before = values.copy()
    assert percentile(values, share) == pytest.approx(float(np.percentile(values, share)), abs=1e-12)
    assert percentile(values, share, lower=True) == np.percentile(values, share, method="lower")
    assert np.array_equal(values, before)


def test_the_median_of_an_even_number_is_the_mean_of_both() -> None:
    assert median(np.array([9.0, 1.0, 4.0, 2.0])) == 3.0
