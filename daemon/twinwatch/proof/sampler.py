"""The kernel that an unknown program scaled with, learned from what it made.

Whatever a scaler does, it makes every pixel of the copy in the same way: a weighted sum of the source's pixels around,
along columns and along rows, and the weights follow from the distance alone. So a few dozen numbers describe it, and
the thousands of pixels in a few windows tell them. They are far too few to hold an edit; what else they could hold,
a shift or another tone, is refused.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from twinwatch.proof.scaling import Box, Source

_PER_PIXEL = 4  # points of a kernel for each source pixel, joined by straight lines
_ROUNDS = 3
_LEAST_REACH, _REACH = 2.0, 1.5  # source pixels, and times the step: the widest kernel that is learned
_RIDGE = 1e-6  # of the mean of the diagonal: points between which no sample falls stay small
_MOST_BESIDE = 0.15
"""Source pixels that the middle of the weights may lie beside the places where programs sample: at the middle of the
target's pixel, or of the first source pixel; enlarging, also at the target pixel's corner (libvips). Learned from 60
copies by 9 programs: up to 0.06."""
_LOOKED_AT = 64  # target pixels along an axis whose weights are looked at: steps like 2/3 repeat soon
_DARKEST, _BRIGHTEST = 0.984, 1.005
"""The sum of all weights. Programs that compute in whole numbers cut off and darken (GD: 0.988); none brightens."""
_APART = 0.1  # source pixels: places that differ by less everywhere are the same

Kernel = NDArray[np.float64]
Hats = tuple[NDArray[np.intp], NDArray[np.float32]]
"""Of `_hats`: the pixels around each place, and the share of each point of a kernel in their weights."""


@dataclass(frozen=True, slots=True)
class Axis:
    """Where along an axis the target's pixels lie in the source: the first one's middle, and the step to the next."""

    first: float
    step: float

    def at(self, places: NDArray[np.intp]) -> NDArray[np.float64]:
        """Return the middles of these target pixels, in source pixels."""
        return np.asarray(self.first + places * self.step, dtype=np.float64)


@dataclass(frozen=True, eq=False)
class Sampler:
    """A learned scaler: where it samples along x and y, and with which weights.

    A kernel has its weights at every quarter of a source pixel, from `-reach - 1` to `reach + 1`.
    """

    axes: tuple[Axis, Axis]
    kernels: tuple[Kernel, Kernel]

    def __call__(self, source: Source, size: tuple[int, int], box: Box) -> Image.Image:
        """Scale, as every `Scaler` does."""
        around = _around(source, self.axes, [_reach(kernel) for kernel in self.kernels], box)
        pixels = np.asarray(source.part(around))
        across, down = (
            _hats(
                self.axes[axis].at(np.arange(box[axis], box[axis + 2])) - around[axis],
                pixels.shape[1 - axis],
                _reach(self.kernels[axis]),
            )
            for axis in (0, 1)
        )
        made = _resampled(pixels, down, self.kernels[1])
        made = _resampled(made.transpose(1, 0, 2), across, self.kernels[0]).transpose(1, 0, 2)
        return Image.fromarray(np.clip(np.rint(made), 0, 255).astype(np.uint8))


def learned(source: Source, target: Image.Image, windows: Sequence[Box]) -> Sampler | None:
    """Learn the sampler that makes these windows of the target from the source; None when none does it plausibly."""
    tried = []
    for axes in _places(source.size, target.size):
        kernels, left = _fitted(source, target, windows, axes)
        tried.append((left, Sampler(axes, kernels)))
    _, best = min(tried, key=lambda one: one[0])
    return best if _plausible(best) else None


def _places(source: tuple[int, int], target: tuple[int, int]) -> list[tuple[Axis, Axis]]:
    """Return where programs sample: evenly, from edge to edge, nearly so (jimp), or in steps cut off to 256ths (GD).

    Where the first sample lies is the kernel's to tell.
    """
    found: list[tuple[Axis, Axis]] = []
    for way in (_evenly, _edge_to_edge, _short_of_the_edge, _in_256ths):
        across, down = (way(n, m) for n, m in zip(source, target, strict=True))
        steps = [[abs(across.step - one[0].step), abs(down.step - one[1].step)] for one in found]
        spans = [[step * (count - 1) for step, count in zip(one, target, strict=True)] for one in steps]
        if all(max(span) > _APART for span in spans):
            found.append((across, down))
    return found


def _evenly(source: int, target: int) -> Axis:
    step = source / target
    return Axis(step / 2 - 0.5, step)


def _edge_to_edge(source: int, target: int) -> Axis:
    return Axis(0.0, (source - 1) / max(1, target - 1))


def _short_of_the_edge(source: int, target: int) -> Axis:
    step = (source - 1) / target
    return Axis(step / 2 - 0.5, step)


def _in_256ths(source: int, target: int) -> Axis:
    step = math.floor(256 * source / target) / 256
    return Axis(step / 2 - 0.5, step)


def _plausible(sampler: Sampler) -> bool:
    weight = 1.0
    for axis, kernel in zip(sampler.axes, sampler.kernels, strict=True):
        # Only where samples fall is a kernel known: with a step of two that is one point in each pixel.
        reach = _reach(kernel)
        places = axis.at(np.arange(_LOOKED_AT)) - axis.first // 1 + reach + 1
        taps, hats = _hats(places, math.ceil(places[-1]) + reach + 3, reach)
        weights = hats @ kernel
        total = weights.sum(axis=1)
        middle = float((weights * (taps - places[:, None])).sum() / total.sum())
        usual = (0.0, (1 - axis.step) / 2, *([-axis.step / 2] if axis.step < 1 else []))
        if min(abs(middle - place) for place in usual) > _MOST_BESIDE:
            return False
        weight *= float(total.mean())
    return _DARKEST <= weight <= _BRIGHTEST


def _fitted(
    source: Source, target: Image.Image, windows: Sequence[Box], axes: tuple[Axis, Axis]
) -> tuple[tuple[Kernel, Kernel], float]:
    """Fit both kernels by turns to the windows' luma; return them, and the mean squared error."""
    reaches = [math.ceil(max(_LEAST_REACH, _REACH * axis.step)) for axis in axes]
    samples = []
    for box in windows:
        around = _around(source, axes, reaches, box)
        ours = np.asarray(source.part(around).convert("L"))[:, :, None]
        theirs = np.asarray(target.crop(box).convert("L")).astype(np.float32)
        places = [axes[axis].at(np.arange(box[axis], box[axis + 2])) - around[axis] for axis in (0, 1)]
        hats = [_hats(places[axis], ours.shape[1 - axis], reaches[axis]) for axis in (0, 1)]
        samples.append((ours, theirs, hats[0], hats[1]))
    across, down = (_tent(reach, axis.step) for reach, axis in zip(reaches, axes, strict=True))
    error = math.inf
    for _ in range(_ROUNDS):
        halves = [(_resampled(ours, y, down)[:, :, 0].T, theirs.T, x) for ours, theirs, x, y in samples]
        across, _ = _solved(halves, reaches[0])
        halves = [
            (_resampled(ours.transpose(1, 0, 2), x, across)[:, :, 0].T, theirs, y) for ours, theirs, x, y in samples
        ]
        down, error = _solved(halves, reaches[1])
    return (across, down), error


def _solved(
    samples: Sequence[tuple[NDArray[np.float32], NDArray[np.float32], Hats]], reach: int
) -> tuple[Kernel, float]:
    """Return the kernel with which, along rows of pixels around places, ours become theirs; and the error."""
    count = 2 * _PER_PIXEL * (reach + 1) + 1
    normal, aim, square, number = np.zeros((count, count)), np.zeros(count), 0.0, 0
    for ours, theirs, (taps, hats) in samples:
        seen = np.einsum("mtk,mtw->kmw", hats, ours[taps], optimize=True).reshape(count, -1)
        wanted = theirs.reshape(-1)
        normal += (seen @ seen.T).astype(np.float64)
        aim += (seen @ wanted).astype(np.float64)
        square += float(np.square(wanted, dtype=np.float64).sum())
        number += wanted.size
    normal[np.diag_indices(count)] += _RIDGE * np.trace(normal) / count + 1e-9
    kernel = np.asarray(np.linalg.solve(normal, aim), dtype=np.float64)
    return kernel, (square - float(aim @ kernel)) / number


def _resampled(pixels: NDArray[np.uint8] | NDArray[np.float32], around: Hats, kernel: Kernel) -> NDArray[np.float32]:
    """Return sums of rows around places, weighted by the kernel; shape (places, columns, channels)."""
    taps, hats = around
    weights = (hats @ kernel.astype(np.float32)).astype(np.float32)
    made = np.zeros((len(taps), *pixels.shape[1:]), dtype=np.float32)
    for tap in range(taps.shape[1]):
        made += weights[:, tap, None, None] * pixels[taps[:, tap]]
    return made


def _hats(places: NDArray[np.float64], length: int, reach: int) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    """Return the source pixels around each place, and the share that each point of a kernel has in their weights.

    Shapes (places, taps) and (places, taps, points). The first and the last pixel go on beyond the edges.
    """
    taps = np.floor(places).astype(np.intp)[:, None] + np.arange(-reach, reach + 2)
    points = (taps - places[:, None] + reach + 1) * _PER_PIXEL
    hats = np.maximum(0, 1 - np.abs(points[:, :, None] - np.arange(2 * _PER_PIXEL * (reach + 1) + 1)))
    return np.clip(taps, 0, length - 1), hats.astype(np.float32)


def _reach(kernel: Kernel) -> int:
    return (len(kernel) - 1) // (2 * _PER_PIXEL) - 1


def _tent(reach: int, step: float) -> Kernel:
    kernel = np.maximum(0, 1 - np.abs(np.arange(-reach - 1, reach + 1.01, 1 / _PER_PIXEL)) / max(1.0, step))
    return np.asarray(kernel * _PER_PIXEL / kernel.sum())


def _around(source: Source, axes: tuple[Axis, Axis], reaches: Sequence[int], box: Box) -> Box:
    """Return the box of the source that these kernels may look at to make a window of the target."""
    ends: list[tuple[int, int]] = []
    for axis, reach, length, first, last in zip(axes, reaches, source.size, box[:2], box[2:], strict=True):
        low = math.floor(axis.first + first * axis.step) - reach
        high = math.floor(axis.first + (last - 1) * axis.step) + reach + 2
        low = min(max(0, low), length - 1)
        ends.append((low, max(low + 1, min(length, high))))
    return ends[0][0], ends[1][0], ends[0][1], ends[1][1]
