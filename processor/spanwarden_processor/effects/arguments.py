"""A tool's arguments in, what they are out: recognised by the names that agents give them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any, Final

from spanwarden_processor.effects.words import word_set

COMMAND_KEYS: Final = ("command", "cmd", "commands", "shell_command", "bash_command", "script", "command_line", "args")
CODE_KEYS: Final = ("code", "python_code", "source", "source_code", "cell", "snippet", "script")
PATH_KEYS: Final = word_set(
    "path file_path filepath filename file_name file target_file relative_path absolute_path notebook_path target_path "
    "dest destination dst output_path save_path source_path src old_path new_path from_path to_path source_file "
    "destination_file directory dir folder dir_path targetfile relativepath absolutepath outputpath "
    "relative_workspace_path"
)
NEW_TEXT_KEYS: Final = word_set(
    "content contents file_text text new_string new_str new_text new_content code_edit data body replacement replace "
    "insert_text new_source new newtext newstring newcontent new_code"
)
OLD_TEXT_KEYS: Final = word_set(
    "old_string old_str old_text old_content search find original old oldtext oldstring oldcontent old_code"
)
PATCH_KEYS: Final = word_set("patch diff patch_text input edits unified_diff")
URL_KEYS: Final = word_set("url uri endpoint href link webhook webhook_url target_url base_url address api_url")
RECIPIENT_KEYS: Final = word_set(
    "to recipient recipients receiver receivers email emails email_address to_address cc bcc channel channel_id "
    "channel_name chat_id user_email participants invitee attendees assignee username phone phone_number number "
    "destination_account account_number iban to_user send_to share_with"
)
CREDENTIAL_KEYS: Final = word_set(
    "headers auth authorization token api_key apikey access_token password username credentials cookie cookies"
)
_CAMEL: Final = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")
_NOT_LETTER: Final = re.compile(r"[^A-Za-z0-9]+")
_MAX_STRINGS: Final = 256
_MAX_DEPTH: Final = 12


@lru_cache(maxsize=1024)
def name_words(tool: str) -> tuple[str, ...]:
    """The words of a tool's name, in lower case: `GmailSendEmail` and `gmail.send_email` alike."""
    return tuple(word.lower() for word in _NOT_LETTER.split(_CAMEL.sub(" ", tool[:200])) if word)


def strings_in(value: Any, key: str = "", depth: int = 0) -> Iterator[tuple[str, str]]:
    """The strings inside decoded arguments, each with the key it stands under; bounded in number and depth."""
    waiting: list[tuple[str, Any, int]] = [(key, value, depth)]
    count = 0
    while waiting and count < _MAX_STRINGS:
        name, each, level = waiting.pop()
        if isinstance(each, str):
            count += 1
            yield name, each
        elif isinstance(each, dict) and level < _MAX_DEPTH:
            waiting += [(str(inner), part, level + 1) for inner, part in reversed(list(each.items())[:_MAX_STRINGS])]
        elif isinstance(each, (list, tuple)) and level < _MAX_DEPTH:
            waiting += [(name, part, level + 1) for part in reversed(each[:_MAX_STRINGS])]


def text_under(arguments: Mapping[str, Any], keys: frozenset[str] | tuple[str, ...]) -> str:
    """The first non-empty string that stands under one of `keys`."""
    for key in arguments if isinstance(keys, frozenset) else keys:
        if key in arguments and key.lower() in keys and isinstance(arguments[key], str) and arguments[key]:
            return str(arguments[key])
    return ""


def texts_under(arguments: Mapping[str, Any], keys: frozenset[str]) -> list[str]:
    """All strings that stand under one of `keys`, at the top or inside lists and maps under them."""
    return [text for key, value in arguments.items() if key.lower() in keys for _, text in strings_in(value)]
