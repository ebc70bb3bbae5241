"""`python -m benchmarks.performance`: the whole run, from drawn photos to docs/performance.md."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.performance import (
    alike,
    arriving,
    cold,
    growth,
    idling,
    machine,
    page,
    pictures,
    plots,
    proving,
    rescan,
    results,
    search,
)
from benchmarks.performance.figures import Figure

PROJECT = Path(__file__).resolve().parents[2]
PARTS = (
    *("large", "light", "small", "formats", "rescan", "search", "growth", "arrivals", "burst", "alike", "proof"),
    "idle",
)
_PROFILES = "## Profiles"
_LEAST_LARGE = 1_000_000  # bytes of a photo that is worth a place among the large ones


def main() -> int:
    """Run the benchmark; return the exit code: 1 when a bar was not met."""
    options = _options()
    work: Path = options.work
    work.mkdir(parents=True, exist_ok=True)
    run = page.Run(_settings(options), [])
    camera = _cameras(options, work)
    web = pictures.jpegs(work / "web", options.web, pictures.WEB, options.jobs, first=10_000)
    bench = _Bench(options, camera, web)
    for name in PARTS:
        found = _part(name, bench) if name in options.parts else results.load(work / "results", name)
        if found is None:
            run.left_out.append(f"{name} (not among --parts)")
        else:
            run.take(found)
    run.machine = list(machine.describe())
    if options.out is not None:
        _draw(run, options.out / "performance")
        _write(run, options.out)
        _say(f"written: {options.out / 'performance.md'}")
    missed = [figure for figure in run.figures if figure.met is False]
    _say(f"{len(missed)} bars were not met")
    return 1 if missed else 0


def _part(name: str, bench: _Bench) -> results.Result:
    """Run one part, print its figures, keep them."""
    _say(f"-- {name}")
    bench.found = results.Result()
    getattr(bench, name)()
    bench.found.save(bench.options.work / "results", name)
    return bench.found


@dataclass(slots=True)
class _Bench:
    """The parts of a run, each a method of the name that `--parts` takes."""

    options: argparse.Namespace
    camera: list[Path]
    web: list[Path]
    found: results.Result = field(default_factory=results.Result)

    @property
    def library(self) -> int:
        """The largest index that the bars speak of: others are for the searches."""
        largest: int = max(self.options.libraries)
        return min(1_000_000, largest)

    def tell(self, figures: Iterable[Figure]) -> None:
        """Keep figures, and print them as they come."""
        for figure in figures:
            self.found.figures.append(figure)
            _say(figure.line())

    def large(self) -> None:
        self.tell(cold.large(self.camera, self.options.work / "cold", self.options.rounds))

    def light(self) -> None:
        photos = pictures.light(self.options.work / "light", self.camera, self.options.jobs)
        self.tell(cold.large(photos, self.options.work / "cold", self.options.rounds))

    def small(self) -> None:
        self.tell(cold.small(self.web, self.options.work / "cold", self.options.rounds))

    def formats(self) -> None:
        files = {}
        for name in cold.FORMATS:
            folder = self.options.work / name
            files[name] = [
                pictures.in_format(photo, folder / f"{photo.stem}.{name.lower()}", name) for photo in self.camera[:3]
            ]
        self.tell(cold.formats(files, self.options.rounds))

    def rescan(self) -> None:
        figures, points = rescan.measure(self.options.work, self.options.trees, self.options.rounds)
        self.found.walks = points
        self.tell(figures)

    def search(self) -> None:
        figures, times = search.measure(self.options.work, self.options.libraries, _say)
        self.found.times = times
        self.tell(figures)
        self.tell(search.equal(self.options.work))

    def growth(self) -> None:
        figures, costs = growth.measure(self.options.work, self.options.libraries)
        self.found.costs = costs
        self.tell(figures)

    def arrivals(self) -> None:
        self.tell(arriving.one_by_one(self.camera[:20], self.options.work, self.library))

    def burst(self) -> None:
        photos = pictures.cut(self.options.work / "cut", self.camera, self.options.burst, self.options.jobs)
        self.tell(arriving.burst(photos, self.options.work))

    def alike(self) -> None:
        work, count = self.options.work, self.options.frames
        frames = pictures.burst(work / "frames", count, pictures.WEB, 5)
        strangers = pictures.jpegs(
            work / "strangers", count, pictures.WEB, self.options.jobs, 20_000, pictures.AS_HEAVY
        )
        self.tell(alike.measure(frames, strangers, work, self.options.rounds, "web size"))
        large = pictures.burst(work / "frames-large", len(self.camera), pictures.CAMERA, 5)
        self.tell(alike.measure(large, self.camera, work, self.options.rounds, "12 megapixels"))

    def proof(self) -> None:
        self.tell(proving.measure(self.camera[:2], self.options.work / "proof", self.options.rounds))

    def idle(self) -> None:
        self.tell(idling.measure(self.options.work, self.library))


def _draw(run: page.Run, folder: Path) -> None:
    """Draw the plots of what was measured."""
    folder.mkdir(parents=True, exist_ok=True)
    if run.found.times:
        plots.search(run.found.times, folder / "search.svg")
    if run.found.costs and run.found.walks:
        plots.growth(run.found.costs, growth.STEPS, run.found.walks, folder / "growth.svg")


def _cameras(options: argparse.Namespace, work: Path) -> list[Path]:
    """Return the large photos: of the folder that was given, else drawn."""
    if options.photos_from is None:
        return pictures.jpegs(work / "camera", options.photos, pictures.CAMERA, options.jobs)
    found = sorted(
        path for path in options.photos_from.rglob("*") if path.suffix.lower() in (".jpg", ".jpeg") and path.is_file()
    )
    chosen = [path for path in found if path.stat().st_size >= _LEAST_LARGE][: options.photos]
    if len(chosen) < 8:
        sys.exit(f"{options.photos_from} has fewer than 8 JPEGs of {_LEAST_LARGE:,} bytes or more; name another folder")
    copies = work / "given"
    copies.mkdir(exist_ok=True)
    for number, path in enumerate(chosen):
        (copies / f"{number:05d}.jpg").unlink(missing_ok=True)
        (copies / f"{number:05d}.jpg").write_bytes(path.read_bytes())
    return sorted(copies.iterdir())[: len(chosen)]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench", description=__doc__)
    numbers = {"type": int, "metavar": "N"}
    parser.add_argument("--photos-from", type=Path, metavar="DIR", help="folder of large JPEGs, else they are drawn")
    parser.add_argument("--photos", default=60, help="how many photos of 12 megapixels (60)", **numbers)  # type: ignore[arg-type]
    parser.add_argument("--web", default=1000, help="how many of web size (1000)", **numbers)  # type: ignore[arg-type]
    parser.add_argument("--burst", default=10_000, help="how many arrive at once (10000)", **numbers)  # type: ignore[arg-type]
    parser.add_argument("--frames", default=500, help="how many frames of one scene (500)", **numbers)  # type: ignore[arg-type]
    parser.add_argument(
        "--libraries", type=int, nargs="+", default=[10_000, 100_000, 1_000_000], metavar="N", help="sizes of indexes"
    )
    parser.add_argument("--trees", type=int, nargs="+", default=[10_000, 100_000], metavar="N", help="sizes of trees")
    parser.add_argument("--rounds", default=5, help="how often what is compared is run in turns (5)", **numbers)  # type: ignore[arg-type]
    parser.add_argument("--jobs", default=os.cpu_count() or 1, help="processes that draw", **numbers)  # type: ignore[arg-type]
    parser.add_argument("--parts", nargs="*", choices=PARTS, default=list(PARTS), metavar="PART", help=", ".join(PARTS))
    parser.add_argument("--quick", action="store_true", help="a few photos, small indexes, two rounds; writes nothing")
    parser.add_argument("--work", type=Path, default=_cache(), metavar="DIR", help="where all is kept between runs")
    parser.add_argument("--out", type=Path, default=PROJECT / "docs", metavar="DIR", help="where the page goes (docs)")
    options = parser.parse_args()
    if options.quick:
        options.photos, options.web, options.frames, options.rounds, options.burst = 12, 100, 40, 2, 100
        options.libraries, options.trees, options.out = [1_000, 10_000], [1_000, 10_000], None
    return options


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "twinwatch-performance"


def _settings(options: argparse.Namespace) -> str:
    lists = " ".join(f"--{name} {' '.join(map(str, getattr(options, name)))}" for name in ("libraries", "trees"))
    names = ("photos", "web", "burst", "frames", "rounds")
    numbers = " ".join(f"--{name} {getattr(options, name)}" for name in names)
    given = " DIR=/photos" if options.photos_from else ""
    return f'make bench{given} ARGS="{numbers} {lists}"'


def _write(run: page.Run, out: Path) -> None:
    target = out / "performance.md"
    before = target.read_text() if target.exists() else ""
    kept = before[before.index(_PROFILES) :] if _PROFILES in before else f"{_PROFILES}\n"
    target.write_text(page.page(run, "performance", kept))


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
