"""Which encoders are installed: each is looked for at run time, and named with the way to install it when missing."""

from __future__ import annotations

import importlib
import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

_PATIENCE = 60.0  # seconds for a program to tell its version
GO_SOURCES = Path("/usr/share/gocode")  # where Debian's packages of Go's libraries are


@dataclass(frozen=True, slots=True)
class Program:
    """An encoder: `binaries` are tried in order, and the first whose version output matches `version` is taken.

    Of a compiler, `sources` is a folder of libraries that must be there as well.
    """

    name: str
    binaries: tuple[str, ...]
    asked: tuple[str, ...]
    version: str  # pattern; group 1 is the version
    install: str
    sources: Path | None = None


@dataclass(frozen=True, slots=True)
class Found:
    """A program that is there: its path (empty for a Python module) and version."""

    name: str
    path: str
    version: str


PROGRAMS = (
    Program(
        "ImageMagick",
        ("magick", "convert-im7.q16", "convert-im6.q16", "convert"),
        ("-version",),
        r"Version: ImageMagick (\S+)",
        "apt install imagemagick",
    ),
    Program("GraphicsMagick", ("gm",), ("-version",), r"GraphicsMagick (\S+)", "apt install graphicsmagick"),
    Program("cjpeg", ("cjpeg",), ("-version",), r"version (\S+)", "apt install libjpeg-turbo-progs"),
    Program("djpeg", ("djpeg",), ("-version",), r"version (\S+)", "apt install libjpeg-turbo-progs"),
    Program("jpegtran", ("jpegtran",), ("-version",), r"version (\S+)", "apt install libjpeg-turbo-progs"),
    Program("exiftool", ("exiftool",), ("-ver",), r"(\d\S+)", "apt install libimage-exiftool-perl"),
    Program("ffmpeg", ("ffmpeg",), ("-version",), r"ffmpeg version (\S+)", "apt install ffmpeg"),
    Program("libvips", ("vips",), ("--version",), r"vips-(\S+)", "apt install libvips-tools"),
    Program("cwebp", ("cwebp",), ("-version",), r"(\d+\.\d+\.\d+)", "apt install webp"),
    Program("heif-enc", ("heif-enc",), ("--help",), r"libheif version: (\S+)", "apt install libheif-examples"),
    Program("avifenc", ("avifenc",), ("--version",), r"Version: (\S+)", "apt install libavif-bin"),
    Program("cjxl", ("cjxl",), ("--version",), r"cjxl v?(\S+)", "apt install libjxl-tools"),
    Program("netpbm", ("pamscale",), ("--version",), r"Version: Netpbm (\S+)", "apt install netpbm"),
    Program("pngquant", ("pngquant",), ("--version",), r"(\d\S+)", "apt install pngquant"),
    Program(
        "Chromium",
        ("chromium", "chromium-browser", "google-chrome"),
        ("--version",),
        r"(?:Chromium|Chrome) (\S+)",
        "apt install chromium",
    ),
    Program(
        "GD",
        ("php",),
        ("-r", "echo 'GD ', GD_VERSION, ' in PHP ', PHP_VERSION, PHP_EOL;"),
        r"GD (\S+ in PHP \S+)",
        "apt install php-cli php-gd",
    ),
    # Its compiler is looked for: a source file is run.
    Program("Java", ("java",), ("--list-modules",), r"jdk\.compiler@(\S+)", "apt install default-jdk-headless"),
    Program(
        "Go",
        ("go",),
        ("version",),
        r"go version go(\S+)",
        "apt install golang-go golang-github-disintegration-imaging-dev",
        GO_SOURCES / "src/github.com/disintegration/imaging",
    ),
)

MODULES = {
    "Pillow": ("PIL", "pip install pillow"),
    "pillow-heif": ("pillow_heif", "pip install pillow-heif"),
    "OpenCV": ("cv2", "pip install opencv-python-headless"),
}

BYTE_COPY = "byte copy"  # needs no program
NODE_PACKAGES = {
    "sharp": ("sharp",),
    "jimp": ("jimp",),
    "Skia": ("@napi-rs/canvas",),
    "pica": ("pica", "@napi-rs/canvas"),  # which reads and writes its pictures
    "photon": ("@silvia-odwyer/photon-node",),
}


@dataclass(frozen=True, slots=True)
class Programs:
    """What is installed: `found` maps names to what was found, `missing` to the command that would install it.

    `node_folder` holds the node_modules of Node's packages.
    """

    found: Mapping[str, Found]
    missing: Mapping[str, str]
    node_folder: Path | None

    def has(self, names: Iterable[str]) -> bool:
        """Tell whether all of them are there."""
        return all(name in self.found for name in names)

    def path(self, name: str) -> str:
        return self.found[name].path


def look(node_folder: Path | None) -> Programs:
    """Look for every encoder."""
    node = shutil.which("node")
    looked = {program.name: (_look_for(program), program.install) for program in PROGRAMS}
    looked |= {name: (_module(name, module), install) for name, (module, install) in MODULES.items()}
    for name, packages in NODE_PACKAGES.items():
        install = f"apt install nodejs npm; npm install {' '.join(packages)}"
        looked[name] = (_node_program(name, packages, node, node_folder), install)
    found = {name: one for name, (one, _) in looked.items() if one is not None}
    missing = {name: install for name, (one, install) in looked.items() if one is None}
    return Programs(found | {BYTE_COPY: Found(BYTE_COPY, "", "")}, missing, node_folder)


def _look_for(program: Program) -> Found | None:
    if program.sources is not None and not program.sources.is_dir():
        return None
    for binary in program.binaries:
        path = shutil.which(binary)
        if path is None:
            continue
        try:
            done = subprocess.run(
                [path, *program.asked], capture_output=True, text=True, errors="replace", timeout=_PATIENCE, check=False
            )
        except (OSError, subprocess.TimeoutExpired):
            continue
        told = re.search(program.version, done.stdout + done.stderr)
        if told:
            return Found(program.name, path, told[1].strip(",;"))
    return None


def _module(name: str, module: str) -> Found | None:
    try:
        version = str(importlib.import_module(module).__version__)
    except ImportError:
        return None
    return Found(name, "", version)


def _node_program(name: str, packages: Iterable[str], node: str | None, folder: Path | None) -> Found | None:
    if node is None or folder is None:
        return None
    versions = [_node_package(folder / "node_modules" / package / "package.json") for package in packages]
    told = [version for version in versions if version is not None]
    return Found(name, node, " with ".join(told)) if len(told) == len(versions) else None


def _node_package(manifest: Path) -> str | None:
    if not manifest.is_file():
        return None
    told = re.search(r'"version":\s*"([^"]+)"', manifest.read_text())
    return told[1] if told else None
