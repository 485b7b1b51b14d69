"""A tool call in, its effects out: shells, file tools, HTTP, mail, chat, code, by name and by arguments."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from msgspec.structs import replace

from spanwarden_processor.effects.arguments import (
    CODE_KEYS,
    COMMAND_KEYS,
    CREDENTIAL_KEYS,
    NEW_TEXT_KEYS,
    OLD_TEXT_KEYS,
    PATCH_KEYS,
    PATH_KEYS,
    RECIPIENT_KEYS,
    URL_KEYS,
    name_words,
    strings_in,
    text_under,
    texts_under,
)
from spanwarden_processor.effects.code import acts_of_other_code, acts_of_python, shell_magics
from spanwarden_processor.effects.command import Command
from spanwarden_processor.effects.effect import MAX_DATA, Effect, Verb, short_quote
from spanwarden_processor.effects.patches import changes_of_patch
from spanwarden_processor.effects.paths import normal_path
from spanwarden_processor.effects.programs import effects_of_acts, effects_of_script
from spanwarden_processor.effects.services import sql_deletions
from spanwarden_processor.effects.web import pushed_by_request
from spanwarden_processor.effects.words import word_set
from spanwarden_processor.types import Step

_SHELL_WORDS: Final = word_set("bash shell sh zsh terminal cmd powershell command exec execute run console")
_PYTHON_WORDS: Final = word_set("python ipython jupyter notebook interpreter pycode code cell repl")
_EDITOR_COMMANDS: Final = word_set(
    "open goto scroll_down scroll_up search_dir search_file find_file submit "
    "view create str_replace insert undo_edit write append replace delete read rename edit"
)
_DELETE_WORDS: Final = word_set(
    "delete remove drop destroy purge terminate wipe erase uninstall unlink truncate clear trash deprovision revoke"
)
_SEND_WORDS: Final = word_set(
    "send post share forward email mail message publish upload transfer invite notify tweet reply submit broadcast pay "
    "wire push export chat sms comment gist paste pastebin"
)
_WRITE_WORDS: Final = word_set(
    "write create edit update save insert append replace patch modify apply put set add overwrite"
)
_READ_WORDS: Final = word_set(
    "read view open get load show cat list search find fetch download browse query inspect lookup"
)
_CHANGE_WORDS: Final = word_set(
    "update set modify change cancel enable disable grant approve merge close block unblock assign reset"
)
_METHODS: Final = word_set("GET HEAD POST PUT PATCH DELETE OPTIONS")
_SQL_KEYS: Final = word_set("query sql statement sql_query")
_IDENTITY: Final = re.compile(
    r"(?:^|_)(?:id|name|key|path|title|number|email|user|table|resource)s?$|^(?:id|target)$", re.IGNORECASE
)


class CallEffects(NamedTuple):
    """What one tool call does, and the names (aliases, copies of programs) that it defines for later calls.

    `complete` is False when its script was too long or too strange to be read as a whole.
    """

    effects: tuple[Effect, ...]
    names: Mapping[str, str]
    complete: bool = True


NOTHING: Final = CallEffects((), {})


def effects_of_call(step: Step, names: Mapping[str, str]) -> CallEffects:
    """The effects of the tool call `step`. `names` are those that earlier calls of the session defined."""
    arguments = step.arguments if step.arguments is not None else step.text
    tool = step.tool or ""
    line = _shell_text(tool, arguments)
    if line:
        script = line if isinstance(line, str) else " ".join(_shell_quoted(word) for word in line)
        effects, read = effects_of_script(script, names)
        if isinstance(line, tuple) or not isinstance(arguments, (str, dict)):
            quotable = {text for _, text in strings_in(arguments)} | {step.text}
            effects = tuple(_anchored(effect, quotable) for effect in effects)
        return CallEffects(effects, read.names, read.complete)
    code = _code_text(tool, arguments)
    if code:
        return CallEffects(tuple(_code_effects(tool, code, names)), {})
    if isinstance(arguments, dict):
        return CallEffects(tuple(_tool_effects(tool, arguments)), {})
    return CallEffects(tuple(_bare_effects(tool, arguments)), {}) if isinstance(arguments, str) else NOTHING


def _shell_quoted(word: str) -> str:
    return word if re.fullmatch(r"[\w./:=,@%+~^-]+", word) else "'" + word.replace("'", "'\\''") + "'"


def _anchored(effect: Effect, quotable: set[str]) -> Effect:
    """`effect` with a quote that stands verbatim in the call, also where the command came as a list of words."""
    if any(effect.quote in text for text in quotable):
        return effect
    longest = max(quotable, key=lambda text: (text in effect.quote, len(text)))
    return replace(effect, quote=short_quote(longest))


def _shell_text(tool: str, arguments: Any) -> str | tuple[str, ...]:
    """The shell text (or the words of a command) that a call runs; empty where it runs none."""
    words = set(name_words(tool))
    is_shell = bool(words & _SHELL_WORDS) and not words & _PYTHON_WORDS
    match arguments:
        case str():
            is_line = arguments.split(None, 1)[:1] == [tool] and tool not in _EDITOR_COMMANDS
            return arguments if is_line or is_shell else ""
        case list():
            return _line_of_words(arguments) if is_shell else ""
        case dict():
            return _command_in(words, arguments) or (
                text_under(arguments, ("input", "text", "code")) if is_shell else ""
            )
        case _:
            return ""


def _command_in(words: set[str], arguments: Mapping[str, Any]) -> str | tuple[str, ...]:
    for key in COMMAND_KEYS:
        value = arguments.get(key)
        if not value or (key == "args" and not words & _SHELL_WORDS) or (key == "script" and words & _PYTHON_WORDS):
            continue
        if isinstance(value, str):
            return "" if value.strip() in _EDITOR_COMMANDS and len(arguments) > 1 else value
        if isinstance(value, list):
            return "\n".join(map(str, value)) if key == "commands" else _line_of_words(value)
    return ""


def _line_of_words(words: list[Any]) -> tuple[str, ...]:
    return tuple(words) if words and all(isinstance(word, str) for word in words) else ()


def _code_text(tool: str, arguments: Any) -> str:
    is_python = bool(set(name_words(tool)) & _PYTHON_WORDS)
    if isinstance(arguments, str):
        return arguments if is_python else ""
    if isinstance(arguments, dict) and (is_python or "code" in arguments) and not _path(arguments):
        return text_under(arguments, (*CODE_KEYS, "input", "text"))
    return ""


def _code_effects(tool: str, code: str, names: Mapping[str, str]) -> Iterator[Effect]:
    for line in shell_magics(code):
        effects, _ = effects_of_script(line, names)
        yield from effects
    acts = acts_of_python(code)
    command = Command((tool or "python",), short_quote(code), code=code, program=tool or "python")
    yield from effects_of_acts(acts if acts is not None else acts_of_other_code(code), command)


def _bare_effects(tool: str, text: str) -> Iterator[Effect]:
    if "*** Begin Patch" in text or text.startswith(("--- ", "diff --git")):
        yield from _patch_effects(tool, text)


def _path(arguments: Mapping[str, Any]) -> str:
    return text_under(arguments, PATH_KEYS)


def _tool_effects(tool: str, arguments: Mapping[str, Any]) -> Iterator[Effect]:
    words = name_words(tool)
    named = set(words)
    patches = [
        text for text in texts_under(arguments, PATCH_KEYS) if "***" in text or "@@" in text or text.startswith("---")
    ]
    urls = [text for text in texts_under(arguments, URL_KEYS) if "." in text or "localhost" in text]
    urls = urls or _routes(arguments)
    if patches:
        yield from _patch_effects(tool, patches[0], _path(arguments))
    elif urls:
        yield from _http_effects(tool, named, arguments, urls)
    elif _path(arguments):
        yield from _file_effects(tool, named, arguments)
    else:
        yield from _record_effects(tool, words, arguments)
    for text in texts_under(arguments, _SQL_KEYS):
        for target, flags in sql_deletions(text):
            yield Effect("delete", target, (tool,), short_quote(text), flags=flags)


def _routes(arguments: Mapping[str, Any]) -> list[str]:
    """The path of a request to a service whose address the tool knows: there is a method, and a path from the root."""
    path, method = arguments.get("path"), arguments.get("method")
    if isinstance(path, str) and path.startswith("/") and isinstance(method, str) and method.upper() in _METHODS:
        return [path]
    return []


def _patch_effects(tool: str, patch: str, path: str = "") -> Iterator[Effect]:
    for change in changes_of_patch(patch, path):
        quote = short_quote(change.quote)
        target = normal_path(change.path)
        if change.deleted:
            yield Effect("delete", target, (tool,), quote, old=change.old)
        else:
            flags = frozenset({"create"} if change.created else {"edit"})
            yield Effect("write", target, (tool,), quote, data=change.new, old=change.old, flags=flags)


def _file_effects(tool: str, words: set[str], arguments: Mapping[str, Any]) -> Iterator[Effect]:
    path = normal_path(_path(arguments))
    raw = _path(arguments)
    action = arguments.get("command") if isinstance(arguments.get("command"), str) else ""
    new, old = "\n".join(texts_under(arguments, NEW_TEXT_KEYS)), "\n".join(texts_under(arguments, OLD_TEXT_KEYS))
    nested = (
        [each for each in arguments.get("edits", []) if isinstance(each, dict)]
        if isinstance(arguments.get("edits"), list)
        else []
    )
    for edit in nested[:64]:
        new = "\n".join((new, *texts_under(edit, NEW_TEXT_KEYS))).strip("\n")
        old = "\n".join((old, *texts_under(edit, OLD_TEXT_KEYS))).strip("\n")
    if words & _DELETE_WORDS or action == "delete":
        yield Effect(
            "delete",
            path,
            (tool,),
            short_quote(raw),
            flags=frozenset({"recursive"} if arguments.get("recursive") else ()),
        )
    elif words & {"move", "rename", "copy"} or action == "rename":
        paths = [normal_path(text) for text in texts_under(arguments, PATH_KEYS)]
        if len(paths) > 1:
            yield Effect("read", paths[0], (tool,), short_quote(raw))
            yield Effect(
                "write", paths[-1], (tool,), short_quote(raw), sources=(paths[0],), flags=frozenset({"copied"})
            )
            if "copy" not in words:
                yield Effect("delete", paths[0], (tool,), short_quote(raw), flags=frozenset({"moved"}))
    elif words & _SEND_WORDS and not words & _WRITE_WORDS:
        recipients = texts_under(arguments, RECIPIENT_KEYS) or [tool]
        yield from (Effect("send", each, (tool,), short_quote(raw), data=new, sources=(path,)) for each in recipients)
    elif action not in {"view", "read"} and (old or _writes(words, action, arguments)):
        quote = short_quote(_best_line(new, old) or raw)
        yield Effect(
            "write", path, (tool,), quote, new[:MAX_DATA], old[:MAX_DATA], flags=frozenset({"edit"} if old else ())
        )
    else:
        yield Effect("read", path, (tool,), short_quote(raw))


def _writes(words: set[str], action: object, arguments: Mapping[str, Any]) -> bool:
    has_text = any(key.lower() in NEW_TEXT_KEYS for key in arguments)
    return action in {"create", "insert", "write", "append"} or (
        has_text and not words & {"read", "view", "search", "grep", "find"}
    )


def _best_line(new: str, old: str) -> str:
    """The first line of the new text that the old one does not have."""
    known = set(old.splitlines())
    return next((line for line in new.splitlines() if line.strip() and line not in known), new)


def _http_effects(tool: str, words: set[str], arguments: Mapping[str, Any], urls: list[str]) -> Iterator[Effect]:
    method = text_under(arguments, ("method", "http_method", "verb")).upper()
    bodies = [
        text
        for key, value in arguments.items()
        if key.lower() not in URL_KEYS | CREDENTIAL_KEYS and key.lower() not in {"method", "http_method", "verb"}
        for _, text in strings_in(value)
    ]
    credentials = "\n".join(texts_under(arguments, CREDENTIAL_KEYS))
    sends = method in {"POST", "PUT", "PATCH"} or (not method and bool(bodies) and bool(words & _SEND_WORDS))
    verb: Verb = "delete" if method == "DELETE" else "send" if sends else "fetch"
    files = tuple(normal_path(text) for text in texts_under(arguments, PATH_KEYS))
    for url in urls:
        data = "\n".join((*bodies, url))[:MAX_DATA]
        flags = frozenset({"http", (method or "get").lower()})
        yield Effect(verb, url, (tool,), short_quote(url), data, credentials=credentials, sources=files, flags=flags)
        branch = pushed_by_request(url, data) if verb == "send" else ""
        if branch:
            yield Effect("push", f"api {branch}", (tool,), short_quote(url), flags=frozenset({"api"}))


def _record_effects(tool: str, words: tuple[str, ...], arguments: Mapping[str, Any]) -> Iterator[Effect]:
    """Effects of a tool that acts on records of some service: mail, chat, payments, bookings, accounts."""
    named = set(words)
    everything = list(strings_in(arguments))
    recipients = texts_under(arguments, RECIPIENT_KEYS)
    data = "\n".join(text for key, text in everything if key.lower() not in RECIPIENT_KEYS)[:MAX_DATA]
    quote = short_quote(max((text for _, text in everything), key=len, default=tool))
    reads = words[:1] != () and words[0] in _READ_WORDS
    if recipients and not reads and named & (_SEND_WORDS | _WRITE_WORDS):
        attachments = tuple(normal_path(text) for key, text in everything if "attach" in key.lower())
        yield from (
            Effect("send", each, (tool,), short_quote(each), data, sources=attachments, flags=frozenset({"record"}))
            for each in recipients
        )
    elif named & _SEND_WORDS and not reads:
        yield Effect("send", f"{tool}", (tool,), quote, data, flags=frozenset({"record"}))
    elif named & _DELETE_WORDS:
        identity = " ".join(text for key, text in everything if _IDENTITY.search(key)) or " ".join(
            text for _, text in everything
        )
        yield Effect("delete", f"{_subject(words)}:{identity[:200]}", (tool,), quote, data, flags=frozenset({"record"}))
    elif named & (_CHANGE_WORDS | _WRITE_WORDS) and not reads:
        identity = " ".join(text for key, text in everything if _IDENTITY.search(key))
        yield Effect("change", f"{_subject(words)}:{identity[:200]}", (tool,), quote, data, flags=frozenset({"record"}))


def _subject(words: tuple[str, ...]) -> str:
    return " ".join(word for word in words if word not in _DELETE_WORDS | _CHANGE_WORDS | _WRITE_WORDS) or "record"
