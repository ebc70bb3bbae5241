"""Names that went are asked for until it is known what became of them."""

from __future__ import annotations

from pathlib import PurePosixPath

from twinwatch.photo import RootId
from twinwatch.service.departed import GONE_SECONDS, Departed, Key


class _Asked:
    """Hears of each and is done with it."""

    def __init__(self) -> None:
        self.keys: list[Key] = []

    def add(self, key: Key) -> bool:
        self.keys.append(key)
        return True


ONE, OTHER = (RootId(1), PurePosixPath("a.jpg")), (RootId(1), PurePosixPath("b.jpg"))


def test_one_is_asked_for_when_the_other_half_of_a_rename_would_have_been_heard_of() -> None:
    departed = Departed()
    assert departed.next_due() is None
    departed.saw(ONE, 10.0)
    departed.saw(OTHER, 10.5)
    asked = _Asked()
    departed.done(10.0 + GONE_SECONDS - 0.1, asked.add)
    assert (asked.keys, departed.next_due()) == ([], 10.0 + GONE_SECONDS)
    departed.done(10.0 + GONE_SECONDS, asked.add)
    assert (asked.keys, len(departed), departed.next_due()) == ([ONE], 1, 10.5 + GONE_SECONDS)


def test_what_cannot_be_told_yet_is_asked_again() -> None:
    departed = Departed()
    departed.saw(ONE, 0.0)
    departed.done(5.0, lambda _: False)
    assert (len(departed), departed.next_due()) == (1, 5.0 + GONE_SECONDS)
    departed.done(5.0 + GONE_SECONDS, lambda _: True)
    assert (len(departed), departed.next_due()) == (0, None)
