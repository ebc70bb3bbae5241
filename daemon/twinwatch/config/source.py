"""Bytes of a YAML file become nodes, which know their line; whatever is no YAML is a ConfigError with its line."""

from __future__ import annotations

from typing import Any, cast

import yaml

from twinwatch.errors import ConfigError


def parse(data: bytes, file: str) -> yaml.Node | None:
    """Return the document's node, None if it is empty; raise ConfigError naming `file`."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        column = error.start - data.rfind(b"\n", 0, error.start)
        raise ConfigError([f"{file}:{line}:{column}: this is not UTF-8 text; save the file as UTF-8"]) from error
    try:
        loader = _Loader(text)
        return loader.get_single_node()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        at = f"{mark.line + 1}:{mark.column + 1}" if mark else "1:1"
        what = ", ".join(part for part in (error.context, error.problem) if part)
        raise ConfigError([f"{file}:{at}: this is not YAML: {what}"]) from error
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        column = error.position - text.rfind("\n", 0, error.position)
        what = f"the character U+{ord(text[error.position]):04X} is not allowed"
        raise ConfigError([f"{file}:{line}:{column}: this is not YAML: {what}"]) from error
    except RecursionError as error:
        raise ConfigError([f"{file}:1:1: this is nested too deeply to be a configuration"]) from error


def is_null(node: yaml.Node) -> bool:
    """Tell whether nothing is written there (`key:`, `null`, `~`)."""
    return node.tag == "tag:yaml.org,2002:null"


def scalar(node: yaml.Node) -> object:
    """Return what a scalar means; its text where that cannot be made (a 13th month); None for lists and mappings."""
    if not isinstance(node, yaml.ScalarNode):
        return None
    try:
        return cast(object, yaml.constructor.SafeConstructor().construct_object(node))
    except (yaml.constructor.ConstructorError, ValueError, OverflowError):
        return cast(object, node.value)


class _Loader(yaml.SafeLoader):
    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        # Aliases make loops, and a kilobyte of text that unfolds to gigabytes.
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.composer.ComposerError(None, None, "anchors and aliases (*name) are not supported", mark)
        return super().compose_node(parent, index)
