"""Drawn look-alikes: chats, receipts, charts and memes that share a template and differ in what they say."""

from __future__ import annotations

import itertools
import os
import random
from collections.abc import Callable
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

from benchmarks.accuracy import kitchen
from benchmarks.accuracy.making import Wanted, make_all
from benchmarks.accuracy.programs import Programs
from benchmarks.accuracy.recipe import Label, Pair, Recipe, Source, key
from benchmarks.accuracy.subtle import seen_at

FAMILY = "drawn: "
_GROUP = 4
_WORDS = [
    "ok",
    "see",
    "you",
    "at",
    "the",
    "station",
    "tomorrow",
    "bring",
    "tickets",
    "later",
    "call",
    "mum",
    "dinner",
    "eight",
    "train",
    "late",
    "sorry",
    "thanks",
    "photo",
]
_CAPTIONS = ("when the train is late", "one does not simply", "me at 3 am", "monday again")


def build(programs: Programs, known: list[Recipe], photo: Source, folder: Path, seed: int) -> list[Pair]:
    """Draw the groups and save their members plainly and by other programs; every pair within a group is unlike."""
    folder.mkdir(parents=True, exist_ok=True)
    pairs = []
    for kind, draw in _KINDS.items():
        rng = random.Random(f"{seed} {kind}")
        ground = _ground(photo)
        plain = [_saved(draw(number, rng, ground), folder / f"{kind}-{seed}-{number}.png") for number in range(_GROUP)]
        wanted: list[tuple[Wanted, Source]] = []
        for first, second in itertools.combinations(plain, 2):
            pairs.append(
                Pair(str(first.path), str(second.path), Label.NOT_COPY, FAMILY + kind, "as drawn", "Pillow", kind)
            )
            for saver in _showing([*kitchen.savers(known, rng)[1:], *kitchen.losing(known, rng)], first, second):
                name = f"{second.path.stem}-{saver.program}-{key(saver, seed)}{saver.suffix}"
                wanted.append(((saver, second, folder / name), first))
        failed = make_all(programs, [item for item, _ in wanted])
        for (saver, _, path), first in wanted:
            if path not in failed:
                about = (FAMILY + kind, saver.case, saver.program, kind)
                pairs.append(Pair(str(first.path), str(path), Label.NOT_COPY, *about))
    return pairs


def _showing(savers: list[Recipe], first: Source, second: Source) -> list[Recipe]:
    """Return the savers in whose files the difference can still be seen."""
    with Image.open(first.path) as before, Image.open(second.path) as after:
        return [one for one in savers if seen_at(one.size(second.width, second.height), before, after)]


def _ground(photo: Source) -> Image.Image:
    with Image.open(photo.path) as opened:
        picture = opened.convert("RGB")
    picture.thumbnail((1000, 1000), Image.Resampling.LANCZOS)
    return picture


def _saved(picture: Image.Image, path: Path) -> Source:
    if not path.exists():
        part = path.with_name(f".{os.getpid()}-{path.name}")
        picture.save(part)
        os.replace(part, path)
    return Source(path, picture.width, picture.height, path.stem)


def _sentence(rng: random.Random) -> str:
    return " ".join(rng.choice(_WORDS) for _ in range(rng.randint(3, 7)))


def _chat(number: int, rng: random.Random, _ground: Image.Image) -> Image.Image:
    """Draw a chat: the first three differ in one message or the clock only, the last in everything."""
    own = random.Random(1) if number < _GROUP - 1 else rng
    texts = [_sentence(own) for _ in range(11)]
    if number == 1:
        texts[4] = _sentence(rng)
    picture = Image.new("RGB", (720, 1280), (236, 229, 221))
    pen = ImageDraw.Draw(picture)
    pen.rectangle((0, 0, 720, 130), fill=(7, 94, 84))
    pen.text((30, 16), f"21:4{number}", font=ImageFont.load_default(26), fill="white")
    pen.text((110, 70), "Alex", font=ImageFont.load_default(36), fill="white")
    for line, text in enumerate(texts):
        left, top = (30, 160 + 96 * line) if line % 2 else (170, 160 + 96 * line)
        pen.rounded_rectangle((left, top, left + 520, top + 76), 18, fill="white" if line % 2 else (220, 248, 198))
        pen.text((left + 22, top + 20), text, font=ImageFont.load_default(28), fill="black")
    return picture


def _receipt(number: int, rng: random.Random, _ground: Image.Image) -> Image.Image:
    picture = Image.new("RGB", (640, 1000), (250, 250, 246))
    pen = ImageDraw.Draw(picture)
    pen.text((170, 30), "CORNER MARKET", font=ImageFont.load_default(36), fill="black")
    prices = [rng.randint(50, 2999) for _ in range(12)]
    for line, price in enumerate([*prices, sum(prices)]):
        name = "TOTAL" if line == len(prices) else rng.choice(_WORDS).upper()
        pen.text((40, 130 + 62 * line), name, font=ImageFont.load_default(28), fill="black")
        pen.text((480, 130 + 62 * line), f"{price / 100:.2f}", font=ImageFont.load_default(28), fill="black")
    pen.text((40, 950), f"No. 10{number}", font=ImageFont.load_default(24), fill="black")
    return picture


def _page(number: int, _rng: random.Random, _ground: Image.Image) -> Image.Image:
    """Draw a page of text with a list of amounts; its members differ in one digit of one of them."""
    own = random.Random(2)
    picture = Image.new("RGB", (840, 1188), "white")
    pen = ImageDraw.Draw(picture)
    font = ImageFont.load_default(22)
    for line in range(38):
        amount = own.randint(1000, 9999)
        if line == 17:
            amount = amount // 100 * 100 + (13, 73, 18, 53)[number]
        pen.text((60, 50 + 29 * line), f"{_sentence(own)}; {_sentence(own)}"[:52], font=font, fill="black")
        pen.text((700, 50 + 29 * line), f"{amount / 100:.2f}", font=font, fill="black")
    return picture


def _chart(_number: int, rng: random.Random, _ground: Image.Image) -> Image.Image:
    picture = Image.new("RGB", (900, 640), "white")
    pen = ImageDraw.Draw(picture)
    pen.line((80, 40, 80, 580, 860, 580), fill="black", width=3)
    height, points = 300.0, []
    for across in range(80, 860, 10):
        height = min(540.0, max(60.0, height + rng.gauss(0, 16)))
        points.append((across, height))
    pen.line(points, fill=(31, 119, 180), width=4)
    for mark in range(6):
        pen.text((24, 570 - 95 * mark), str(20 * mark), font=ImageFont.load_default(24), fill="black")
    return picture


def _meme(number: int, _rng: random.Random, ground: Image.Image) -> Image.Image:
    picture = ground.copy()
    font = ImageFont.load_default(max(18, picture.height // 12))
    place = (picture.width * 0.06, picture.height * 0.84)
    ImageDraw.Draw(picture).text(
        place, _CAPTIONS[number].upper(), font=font, fill="white", stroke_width=2, stroke_fill="black"
    )
    return picture


_KINDS: dict[str, Callable[[int, random.Random, Image.Image], Image.Image]] = {
    "chat": _chat,
    "receipt": _receipt,
    "chart": _chart,
    "meme": _meme,
    "page": _page,
}
