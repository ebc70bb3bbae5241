"""Copies by Chromium's canvas, as web pages make them before an upload: drawImage, then the browser's own encoder.

The page is opened from a file, holds the photo as a data URL, and its results are read from the dumped document.
"""

from __future__ import annotations

import base64
import json
import re
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.accuracy import families as f
from benchmarks.accuracy.recipe import How, Recipe, Source

_PATIENCE = 120.0  # seconds for all files of one source
_MIME = {".jpg": "image/jpeg", ".jpeg": "image/jpeg", ".png": "image/png", ".webp": "image/webp"}
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
)
_PAGE = """<!doctype html><body onload="go()"><img id="p" src="%s"><pre id="done"></pre><script>
function go() {
  const jobs = %s, picture = document.getElementById("p"), lines = [];
  for (const job of jobs) {
    const canvas = document.createElement("canvas");
    const turned = picture.naturalWidth !== job.from[0] && job.from[0] !== job.from[1];
    [canvas.width, canvas.height] = turned ? [job.size[1], job.size[0]] : job.size;
    const pen = canvas.getContext("2d");
    pen.imageSmoothingEnabled = job.smoothing !== "off";
    if (job.smoothing !== "off") pen.imageSmoothingQuality = job.smoothing;
    pen.drawImage(picture, 0, 0, canvas.width, canvas.height);
    lines.push(canvas.toDataURL(job.mime, job.quality));
  }
  picture.remove();
  document.getElementById("done").textContent = lines.join("\\n");
}
</script>"""


def recipes() -> Iterator[Recipe]:
    """Yield every recipe; a job is smoothing and quality."""
    for quality in (30, 50, 80, 92):
        yield _one(f.recompressed(quality), f"q{quality}", "low", quality)
    for smoothing in ("low", "medium", "high", "off"):
        for scale in (0.28, 0.55):
            yield _one(f.RESIZE, f"{smoothing}{scale}", smoothing, 80, scale=scale)
    yield _one(f.RESIZE_SMALL, "high0.15", "high", 85, scale=0.15)
    yield _one(f.RESIZE, "up1.5", "high", 85, scale=1.5)
    yield _one(f.RESIZE_ODD, "floor0.433", "high", 80, scale=0.433, rounding="floor")
    yield _one(f.LOSSY, "webp80", "low", 80, ".webp")
    yield _one(f.LOSSY, "webp60-0.5", "high", 60, ".webp", scale=0.5)
    yield _one(f.LOSSLESS, "topng", "low", 100, ".png")
    yield _one(f.ORIENTATION, "drawn", "low", 85, base="turned6")
    yield _one(f.PROFILE, "p3-srgb", "low", 88, base="p3")
    yield _one(f.MESSENGER, "1280-q80", "high", 80, longest=1280)


def _one(family: str, case: str, smoothing: str, quality: int, suffix: str = ".jpg", **more: object) -> Recipe:
    return Recipe(family, case, "Chromium", How.CHROMIUM, suffix, (smoothing, str(quality)), **more)  # type: ignore[arg-type]


def carry_out(chromium: str, source: Source, wanted: Sequence[tuple[Recipe, Path]]) -> dict[Path, str]:
    """Make all files of one source with one browser; return what went wrong, by path."""
    if source.suffix not in _MIME:
        return {out: f"a browser is not given {source.suffix}" for _, out in wanted}
    jobs = [
        {
            "from": [source.width, source.height],
            "size": recipe.size(source.width, source.height),
            "smoothing": recipe.job[0],
            "quality": int(recipe.job[1]) / 100,
            "mime": _MIME[recipe.suffix],
        }
        for recipe, _ in wanted
    ]
    url = f"data:{_MIME[source.suffix]};base64,{base64.b64encode(source.path.read_bytes()).decode()}"
    with tempfile.TemporaryDirectory(prefix="twinwatch-chromium-") as folder:
        page = Path(folder, "page.html")
        page.write_text(_PAGE % (url, json.dumps(jobs)))
        command = [chromium, *_FLAGS, f"--user-data-dir={folder}/profile", "--dump-dom", page.as_uri()]
        try:
            done = subprocess.run(command, capture_output=True, timeout=_PATIENCE, check=False)
        except subprocess.TimeoutExpired:
            return {out: "the browser took too long" for _, out in wanted}
    found = re.search(r'<pre id="done">(.*?)</pre>', done.stdout.decode(errors="replace"), re.DOTALL)
    lines = found[1].split("\n") if found else []
    if len(lines) != len(wanted):
        return {out: f"the browser gave {len(lines)} files of {len(wanted)}" for _, out in wanted}
    trouble = {}
    for (recipe, out), line in zip(wanted, lines, strict=True):
        start = f"data:{_MIME[recipe.suffix]};base64,"
        if line.startswith(start):
            out.write_bytes(base64.b64decode(line.removeprefix(start)))
        else:
            trouble[out] = "the browser does not write this format"
    return trouble
