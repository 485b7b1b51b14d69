"""Paths, hosts and addresses as text: brought into one spelling and compared. Nothing touches a file system."""

from __future__ import annotations

import fnmatch
import posixpath
import re
from typing import Final
from urllib.parse import urlsplit

_HOME_DIRECTORY: Final = re.compile(r"(?:\$HOME|\$\{HOME\}|~)(?=/|\Z)")
_FILE_URL: Final = re.compile(r"file://(?:localhost)?(?=/)")
_GLOB: Final = re.compile(r"[*?\[]")
_HOST: Final = re.compile(
    r"(?:[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,62}\.)){1,8}[A-Za-z]{2,24}\Z|[0-9]{1,3}(?:\.[0-9]{1,3}){3}\Z"
)
_MAX_PATH: Final = 4096


def normal_path(path: str, directory: str = "") -> str:
    """One spelling of `path`, seen from `directory`: `~` for the home directory, no `.`, `..` or doubled slashes."""
    text = path.strip()[:_MAX_PATH]
    text = _FILE_URL.sub("", text) if "file:" in text else text
    text = _HOME_DIRECTORY.sub("~", text, count=1) if text[:1] in "$~" else text
    return join(directory, text)


def join(directory: str, path: str) -> str:
    """`path` as seen from `directory`; absolute ones, and those that start at home or a variable, stand alone."""
    whole = path if not directory or path[:1] in {"/", "~", "$"} else f"{directory}/{path}"
    normal = posixpath.normpath(whole) if whole else ""
    return normal[1:] if normal.startswith("//") else normal


def same_path(one: str, other: str) -> bool:
    """Whether two normal paths may name the same file: equal, one the tail of the other, or a glob that matches."""
    if one == other:
        return True
    if _GLOB.search(one) or _GLOB.search(other):
        return fnmatch.fnmatch(one, other) or fnmatch.fnmatch(other, one)
    short, long = sorted((one, other), key=len)
    return short not in {"", "."} and short[0] not in "/~$" and short != "." and long.endswith("/" + short)


def inside(path: str, directory: str) -> bool:
    """Whether the normal path `path` lies below `directory`."""
    return path.startswith(directory.rstrip("/") + "/")


def looks_like_path(word: str) -> bool:
    """Whether a word of a command line could name a file: anything but options, assignments and bare numbers."""
    return bool(word) and not word.startswith("-") and "://" not in word and "\n" not in word and len(word) <= 1024


def host_of(url: str) -> str:
    """The host (and port, where one is given) of a URL or of `user@host:path`, in lower case; else empty."""
    text = url.strip()
    if "://" not in text:
        before, _, after = text.partition(":")
        if "@" in before and after and not after.startswith("/"):
            return before.rpartition("@")[2].lower()
        text = "//" + text
    try:
        return urlsplit(text).netloc.rpartition("@")[2].lower()
    except ValueError:
        return ""


def is_host(word: str) -> bool:
    """Whether a word is a host name with a dot, an IPv4 address, or `localhost`, with or without a port."""
    name = word.rpartition("@")[2].partition(":")[0]
    return name == "localhost" or _HOST.match(name) is not None


def same_site(one: str, other: str) -> bool:
    """Whether two hosts are the same or one lies in the other's domain. Ports tell local addresses apart."""
    if one == other:
        return bool(one)
    name, _, _ = one.partition(":")
    other_name, _, _ = other.partition(":")
    if is_local(name) or is_local(other_name):
        return False
    return name == other_name or name.endswith("." + other_name) or other_name.endswith("." + name)


def is_local(host: str) -> bool:
    """Whether a host is this machine or a private network."""
    name = host.partition(":")[0]
    return (
        name in {"localhost", "0.0.0.0", "::1", "[", "host.docker.internal"}
        or name.startswith(("127.", "10.", "192.168.", "169.254."))
        or re.match(r"172\.(?:1[6-9]|2[0-9]|3[01])\.", name) is not None
        or name.endswith((".local", ".internal", ".localhost", ".svc", ".lan", ".test"))
        or ("." not in name and name != "")
    )
