"""Copies by ffmpeg, libvips, and the codecs' own command-line encoders."""

from __future__ import annotations

from collections.abc import Iterator

from benchmarks.accuracy import families as f
from benchmarks.accuracy.recipe import How, Recipe

_FFMPEG = "{ffmpeg} -nostdin -v error -y"


def recipes() -> Iterator[Recipe]:
    """Yield every recipe of these programs."""
    yield from _by_ffmpeg()
    yield from _by_vips()
    yield from _by_codecs()


def _one(program: str, family: str, case: str, line: str, suffix: str = ".jpg", **more: object) -> Recipe:
    return Recipe(family, case, program, How.COMMANDS, suffix, (line,), **more)  # type: ignore[arg-type]


def _by_ffmpeg() -> Iterator[Recipe]:
    for quality, family in ((2, f.RECOMPRESS), (4, f.RECOMPRESS), (8, f.RECOMPRESS), (14, f.RECOMPRESS_LOW)):
        yield _one("ffmpeg", family, f"qv{quality}", f"{_FFMPEG} -i {{src}} -q:v {quality} {{out}}")
    yield _one("ffmpeg", f.RECOMPRESS, "qv4-444", f"{_FFMPEG} -i {{src}} -pix_fmt yuvj444p -q:v 4 {{out}}")
    for flags in ("bilinear", "bicubic", "area", "lanczos", "neighbor", "spline", "gauss", "fast_bilinear"):
        for scale in (0.28, 0.6):
            line = f"{_FFMPEG} -i {{src}} -vf scale={{w}}:{{h}}:flags={flags} -q:v 3 {{out}}"
            yield _one("ffmpeg", f.RESIZE, f"{flags}{scale}", line, scale=scale)
    line = f"{_FFMPEG} -i {{src}} -vf scale={{w}}:{{h}}:flags=lanczos+accurate_rnd+full_chroma_int {{out}}"
    yield _one("ffmpeg", f.RESIZE, "png-lanczos0.5", line, ".png", scale=0.5)
    line = f"{_FFMPEG} -i {{src}} -vf scale={{w}}:{{h}} -q:v 4 {{out}}"
    yield _one("ffmpeg", f.RESIZE, "up1.5", line, scale=1.5)
    yield _one("ffmpeg", f.RESIZE_SMALL, "default0.15", line, scale=0.15)
    line = f"{_FFMPEG} -i {{src}} -vf scale={{w}}:{{h}}:flags=bicubic -q:v 5 {{out}}"
    yield _one("ffmpeg", f.MESSENGER, "1280-qv5", line, longest=1280)
    yield _one("ffmpeg", f.LOSSLESS, "topng", f"{_FFMPEG} -i {{src}} {{out}}", ".png")
    yield _one("ffmpeg", f.LOSSY, "webp75", f"{_FFMPEG} -i {{src}} -quality 75 {{out}}", ".webp")
    line = f"{_FFMPEG} -i {{src}} -vf split[a][b];[a]palettegen[p];[b][p]paletteuse {{out}}"
    yield _one("ffmpeg", f.PALETTE, "gif", line, ".gif")
    yield _one("ffmpeg", f.DEPTH, "16-to-8", f"{_FFMPEG} -i {{src}} -pix_fmt rgb24 {{out}}", ".png", base="deep")
    yield _one("ffmpeg", f.ORIENTATION, "applied", f"{_FFMPEG} -i {{src}} -q:v 3 {{out}}", base="turned6")
    yield _one("ffmpeg", f.ROTATION, "transpose1", f"{_FFMPEG} -i {{src}} -vf transpose=1 -q:v 3 {{out}}")


def _by_vips() -> Iterator[Recipe]:
    for quality in (30, 50, 75, 90):
        line = f"{{libvips}} jpegsave {{src}} {{out}} --Q {quality}"
        yield _one("libvips", f.recompressed(quality), f"q{quality}", line)
    options = "--Q 75 --strip --interlace --optimize-coding"
    yield _one("libvips", f.RECOMPRESS, "q75-progressive", f"{{libvips}} jpegsave {{src}} {{out}} {options}")
    for scale in (0.1, 0.2, 0.3, 0.5, 0.75):
        line = "{libvips} thumbnail {src} {out}[Q=80] {w} --height {h} --size force"
        family = f.RESIZE_SMALL if scale <= 0.2 else f.RESIZE_STAGED
        yield _one("libvips", family, f"thumbnail{scale}", line, scale=scale)
    # Of what has a profile libvips 8.14 makes another picture, darker in its shadows (mended in May 2023, its #3479).
    line = "{libvips} thumbnail {tmp}.png {out}[Q=85] {w} --height {h} --size force --linear"
    job = ("{libvips} autorot {src} {tmp}.png[strip]", line)
    yield Recipe(f.RESIZE_LINEAR, "thumbnail-linear0.4", "libvips", How.COMMANDS, ".jpg", job, scale=0.4)
    for kernel in ("nearest", "linear", "cubic", "mitchell", "lanczos2", "lanczos3"):
        for scale in (0.25, 0.65):
            line = f"{{libvips}} resize {{src}} {{out}}[Q=85] {{scale}} --kernel {kernel}"
            yield _one("libvips", f.RESIZE, f"{kernel}{scale}", line, scale=scale)
    yield _one("libvips", f.RESIZE, "up1.5", "{libvips} resize {src} {out}[Q=85] {scale}", scale=1.5)
    yield _one("libvips", f.RESIZE_STAGED, "shrink4", "{libvips} shrink {src} {out}[Q=85] 4 4", scale=0.25)
    job = ("{libvips} resize {src} {tmp}.v {scale}", "{libvips} sharpen {tmp}.v {out}[Q=82]")
    yield Recipe(f.RESIZE_SHARP, "sharpen0.4", "libvips", How.COMMANDS, ".jpg", job, scale=0.4)
    for quality in (45, 75):
        yield _one("libvips", f.LOSSY, f"webp{quality}", f"{{libvips}} webpsave {{src}} {{out}} --Q {quality}", ".webp")
        yield _one("libvips", f.LOSSY, f"heic{quality}", f"{{libvips}} heifsave {{src}} {{out}} --Q {quality}", ".heic")
    line = "{libvips} heifsave {src} {out} --Q 50 --compression av1 --effort 2"
    yield _one("libvips", f.LOSSY, "avif50", line, ".avif")
    yield _one("libvips", f.LOSSLESS, "topng", "{libvips} copy {src} {out}", ".png")
    yield _one("libvips", f.LOSSLESS, "webp-lossless", "{libvips} webpsave {src} {out} --lossless", ".webp")
    yield _one("libvips", f.PALETTE, "png8", "{libvips} pngsave {src} {out} --palette", ".png")
    yield _one("libvips", f.PALETTE, "gif", "{libvips} gifsave {src} {out}", ".gif")
    yield _one("libvips", f.ORIENTATION, "autorot", "{libvips} autorot {src} {out}[Q=85]", base="turned6")
    line = "{libvips} thumbnail {src} {out}[Q=82] {h}"
    yield _one("libvips", f.ORIENTATION, "thumbnail", line, scale=0.5, base="turned8")
    yield _one("libvips", f.ROTATION, "rot90", "{libvips} rot {src} {out}[Q=85] d90")
    line = "{libvips} icc_transform {src} {out}[Q=88] {srgb}"
    yield _one("libvips", f.PROFILE, "p3-srgb", line, base="p3")
    yield _one("libvips", f.PROFILE, "adobe-srgb", line, base="adobe")
    yield _one("libvips", f.DEPTH, "16-to-jpeg", "{libvips} jpegsave {src} {out} --Q 88", base="deep")
    yield _one("libvips", f.DEPTH, "alpha-webp", "{libvips} webpsave {src} {out} --Q 85", ".webp", base="alpha")
    line = "{libvips} thumbnail {src} {out}[Q=75,strip,interlace] {w} --height {h} --size force"
    yield _one("libvips", f.MESSENGER, "1600-q75", line, longest=1600)


def _by_codecs() -> Iterator[Recipe]:
    for quality in (40, 60, 80):
        yield _one("cwebp", f.LOSSY, f"q{quality}", f"{{cwebp}} -quiet -q {quality} {{src}} -o {{out}}", ".webp")
    yield _one("cwebp", f.LOSSY, "sharp-yuv", "{cwebp} -quiet -q 75 -sharp_yuv {src} -o {out}", ".webp")
    yield _one("cwebp", f.LOSSY, "near-lossless", "{cwebp} -quiet -near_lossless 60 {src} -o {out}", ".webp")
    yield _one("cwebp", f.LOSSLESS, "lossless", "{cwebp} -quiet -lossless -z 3 {src} -o {out}", ".webp")
    for quality in (35, 60):
        line = f"{{heif-enc}} -q {quality} -o {{out}} {{src}}"
        yield _one("heif-enc", f.LOSSY, f"heic{quality}", line, ".heic", base="rgb")
    yield _one("heif-enc", f.LOSSY, "heic50-444", "{heif-enc} -p chroma=444 -q 50 -o {out} {src}", ".heic", base="rgb")
    for quantiser in (24, 36):
        line = f"{{avifenc}} -s 8 -j 1 --min {quantiser} --max {quantiser} {{src}} {{out}}"
        yield _one("avifenc", f.LOSSY, f"avif-{quantiser}", line, ".avif", base="rgb")
    line = "{avifenc} -s 8 -j 1 -y 420 --min 30 --max 30 {src} {out}"
    yield _one("avifenc", f.LOSSY, "avif-30-420", line, ".avif", base="rgb")
    for distance in (1, 2, 3):
        line = f"{{cjxl}} --quiet -e 4 -j 0 -d {distance} {{src}} {{out}}"
        yield _one("cjxl", f.LOSSY, f"jxl-d{distance}", line, ".jxl", base="rgb")
    yield _one("cjxl", f.LOSSLESS, "jxl-lossless", "{cjxl} --quiet -e 3 -d 0 {src} {out}", ".jxl", base="rgb")
    yield _one("cjxl", f.BYTES, "jxl-of-jpeg", "{cjxl} --quiet -e 4 -j 1 {src} {out}", ".jxl", base="jpeg")
    yield _one("pngquant", f.PALETTE, "png8", "{pngquant} --force --output {out} 256 {src}", ".png", base="rgb")
