"""`python -m benchmarks.accuracy`: the whole run, from photos to docs/accuracy.md."""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path

from benchmarks.accuracy import build, corpus, drawn, kitchen, page, peers, photos, plots, scoring
from benchmarks.accuracy.programs import Programs, look
from benchmarks.accuracy.recipe import Label, Pair

PROJECT = Path(__file__).resolve().parents[2]
_HARDNEG_PHOTOS = 3


def main() -> int:
    """Run the benchmark; return the exit code: 1 when a look-alike was taken for a copy."""
    options = _options()
    work: Path = options.work
    work.mkdir(parents=True, exist_ok=True)
    programs = look(options.node or work / "node")
    _say("encoders: " + ", ".join(f"{one.name} {one.version}" for one in programs.found.values() if one.version))
    for name, how in programs.missing.items():
        _say(f"  {name} is not installed and will be left out: {how}")
    pairs, trouble, chosen, about = _pairs(options, programs)
    build.write_pairs(pairs, work / "pairs.csv")
    _say(f"{len(pairs)} pairs in {work / 'pairs.csv'}")
    if options.build_only:
        return 0
    started = time.monotonic()
    _say("twinwatch compares them")
    answers = scoring.ask(options.command, pairs, _say)
    _say(f"  {time.monotonic() - started:.0f} seconds; the peers read them")
    judged = {} if options.no_peers else peers.judge(pairs, options.jobs, _say)
    run = page.Run(
        answers=answers,
        peers=judged,
        programs={name: one.version for name, one in programs.found.items()},
        missing=programs.missing,
        trouble=trouble,
        photos=chosen,
        settings=_settings(options),
        about=about,
    )
    _write(run, options.out)
    copies, unlike = run.of(Label.COPY), run.of(Label.NOT_COPY)
    missed, taken = (sum(answer.wrong for answer in answers) for answers in (copies, unlike))
    _say(f"missed {missed} of {len(copies)} copies, took {taken} of {len(unlike)} look-alikes")
    build.write_pairs((answer.pair for answer in answers if answer.wrong), work / "wrong.csv")
    _say(f"the pairs that went wrong: {work / 'wrong.csv'}")
    _say(f"written: {options.out / 'accuracy.md'}")
    return 1 if taken else 0


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make accuracy", description=__doc__)
    parser.add_argument(
        "--photos-from", type=Path, action="append", metavar="DIR", help="folder of photos to build from"
    )
    parser.add_argument("--photos", type=int, default=12, metavar="N", help="how many photos (12)")
    parser.add_argument("--megapixels", type=float, default=3.0, metavar="N", help="leave larger photos out (3)")
    parser.add_argument("--seed", type=int, default=1, help="draws photos, chains and edits (1)")
    parser.add_argument("--thin", type=int, default=3, metavar="N", help="give each photo every N-th case (3)")
    parser.add_argument("--quick", action="store_true", help="three small photos, every eighth case")
    parser.add_argument("--hardneg", type=int, default=2, metavar="N", help="seeds of hardneg.py to run (2)")
    parser.add_argument(
        "--corpus", type=Path, default=corpus.BESIDE, metavar="DIR", help="folder with corpus/ and tools/"
    )
    parser.add_argument("--work", type=Path, default=_cache(), metavar="DIR", help="where cases are kept between runs")
    parser.add_argument("--node", type=Path, metavar="DIR", help="folder with node_modules (WORK/node)")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, metavar="N", help="processes that build cases")
    parser.add_argument(
        "--command", nargs="+", default=[sys.executable, "-m", "twinwatch"], help="what to run as twinwatch"
    )
    parser.add_argument("--no-peers", action="store_true", help="leave the other programs out")
    parser.add_argument("--build-only", action="store_true", help="build the cases and their table, then end")
    parser.add_argument(
        "--out", type=Path, default=PROJECT / "docs", metavar="DIR", help="where accuracy.md goes (docs)"
    )
    options = parser.parse_args()
    if options.quick:
        options.photos, options.megapixels, options.thin, options.hardneg = 3, 1.0, 8, 1
    return options


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "twinwatch-accuracy"


def _pairs(
    options: argparse.Namespace, programs: Programs
) -> tuple[list[Pair], list[tuple[str, str, str]], list[tuple[str, int, int]], list[str]]:
    """Return all pairs, what could not be made, the photos' names and sizes, and where everything is from."""
    folders, whence = _photo_folders(options)
    chosen = photos.choose(folders, options.photos, options.megapixels, options.seed)
    if not chosen:
        looked = ", ".join(map(str, folders)) or "any folder"
        sys.exit(f"no photos of 400 pixels or more in {looked}; name a folder: make accuracy DIR=/photos")
    _say(f"building the cases of {len(chosen)} photos from {whence}, in {options.work}")
    built = build.build(programs, chosen, options.work, options.seed, options.thin, options.jobs, _say)
    known = kitchen.recipes(programs)
    pairs = built.pairs + drawn.build(programs, known, chosen[0], options.work / "drawn", options.seed)
    about = [f"The photos are from {whence}; seed {options.seed}, each given every {_nth(options.thin)} case in turn."]
    real = corpus.real_pairs(options.corpus)
    if real:
        about.append(
            f"{len(real)} pairs of real pictures, labelled by hand (`real pictures: ...`): nothing was made for them."
        )
    seeds = [options.seed * 1000 + number for number in range(options.hardneg)]
    groups = corpus.drawn_groups(options.corpus, [one.path for one in chosen[:_HARDNEG_PHOTOS]], options.work, seeds)
    if groups:
        about.append(
            f"{len(groups)} pairs of groups drawn by an independent generator (`hardneg: ...`), seeds {seeds}."
        )
    return pairs + real + groups, built.trouble, [(one.name, one.width, one.height) for one in chosen], about


def _nth(thin: int) -> str:
    return {1: "", 2: "second", 3: "third"}.get(thin, f"{thin}th")


def _photo_folders(options: argparse.Namespace) -> tuple[list[Path], str]:
    if options.photos_from:
        return options.photos_from, "a folder that was given"
    found = corpus.photo_folders(options.corpus)
    if found:
        names = ", ".join(str(folder.relative_to(options.corpus / "corpus")) for folder in found)
        return found, f"the folders {names} of a corpus of real pictures"
    return photos.sample_folders(), "the sample pictures of scikit-image and scikit-learn"


def _settings(options: argparse.Namespace) -> str:
    numbers = (
        f"--photos {options.photos} --megapixels {options.megapixels:g} --seed {options.seed} --thin {options.thin}"
    )
    given = " DIR=/photos" if options.photos_from else ""
    return f'make accuracy{given} ARGS="{numbers} --hardneg {options.hardneg}"'


def _write(run: page.Run, out: Path) -> None:
    pictures = out / "accuracy"
    pictures.mkdir(parents=True, exist_ok=True)
    copies = run.of(Label.COPY)
    residuals = (page.scores(run, Label.COPY, "copies"), page.scores(run, Label.NOT_COPY, "look-alikes"))
    plots.residuals(*residuals, pictures / "residual.svg")
    cells = scoring.count(copies, lambda answer: (answer.pair.family, answer.pair.program))
    names = [family for family in page.families_in_order(copies) if not family.startswith(corpus.REAL)]
    columns = sorted({program for family, program in cells if family in names}, key=str.lower)
    plots.by_program(names, columns, cells, pictures / "programs.svg")
    plots.peers(page.points(run), page.OURS, pictures / "peers.svg")
    (out / "accuracy.md").write_text(page.page(run, "accuracy"))


def _say(text: str) -> None:
    print(text, flush=True)


if __name__ == "__main__":
    sys.exit(main())
