"""Percentiles of maps, as numpy has them: `np.percentile` asks so much that it takes longer than finding them.

It also imports numpy's masked arrays at its first call, a tenth of what warms a worker.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def percentile(values: NDArray[np.floating[Any]], share: float, *, lower: bool = False) -> float:
    """Return what `share` of 100 of the values (any shape, one at least) do not exceed.

    Between two of them what lies there in proportion, or the `lower`.
    """
    place = (values.size - 1) * share / 100
    low = int(place)
    high = min(low + 1, values.size - 1)
    ranked = np.partition(values, (low, high), axis=None)
    return float(ranked[low] if lower else ranked[low] + (ranked[high] - ranked[low]) * (place - low))


def median(values: NDArray[np.floating[Any]]) -> float:
    """Return the value in the middle of all, or of an even number the mean of both."""
    return percentile(values, 50)
