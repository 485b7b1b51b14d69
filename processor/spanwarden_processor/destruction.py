"""A deletion or a kill in, how far it reaches out: the whole system, shared data, more than one thing, or little."""

from __future__ import annotations

import re
from typing import Final, NamedTuple

from spanwarden_processor.effects.effect import Effect
from spanwarden_processor.types import Risk

_ROOTS: Final = re.compile(
    r"(?:/|/\*|~|~/\*|\$HOME|/(?:home|etc|usr|var|boot|bin|sbin|lib|lib64|opt|root|srv|mnt|media|data|sys|proc|"
    r"dev|Users)(?:/\*)?|/(?:home|Users)/[^/]+(?:/\*)?"
    r"|[A-Za-z]:[\\/]?\*?|/var/(?:lib|log|www|backups?|spool)(?:/\*)?|/usr/\w+)\Z"
)
_HERE: Final = re.compile(r"(?:\.|\*|\./\*|\.\.|\.\./\*|\.\[!\.\]\*|\.git)\Z")
_DATA: Final = re.compile(
    r"(?:^|/)(?:data|database|db|backups?|uploads?|documents?|photos?|pictures|media|archives?|records?|mail|"
    r"invoices?|customers?|production|prod|migrations|volumes?|storage|repos?|projects?|src|source|"
    r"ImportantDocuments)(?:/\*)?\Z|\.(?:sqlite3?|db|mdb|dump|bak)\Z",
    re.IGNORECASE,
)
_REMAKEABLE: Final = re.compile(
    r"(?:^|/)(?:build|dist|target|out|output|bin|obj|node_modules|__pycache__|\.pytest_cache|\.mypy_cache|"
    r"\.ruff_cache|\.venv|venv|env|\.tox|\.nox|\.next|\.nuxt|\.cache|cache|caches|coverage|htmlcov|"
    r"\.coverage|tmp|temp|\.tmp|\.gradle|\.parcel-cache|\.turbo|\.eggs|[\w.-]+\.egg-info|_build|site|public/build|"
    r"DerivedData|CMakeFiles|CMakeCache\.txt|logs?/[\w.-]+|checkpoints?|wandb)(?:/|\Z)"
    r"|^/(?:tmp|var/tmp|var/cache|var/lib/apt/lists|dev/shm|run)(?:/|\Z)|^~/\.(?:cache|npm|cargo/registry)(?:/|"
    r"\Z)|\.(?:pyc|pyo|o|class|tmp|log|swp|orig|rej|lock|pid)\Z",
)
_GRAVE_SERVICES: Final = re.compile(
    r"namespace|\bns\b|\bdb\b|database|cluster|project|bucket|volume|\bpvc?\b|instance|snapshot|backup|\brds\b|"
    r"dynamodb|secret|vault|stack|account|organi[sz]ation|repo|disk|table|--all|\brb\b|s3://|gs://",
    re.IGNORECASE,
)
_BUILD_CACHE: Final = re.compile(r":(?:builder|buildx|image|images|cache)\b")
"""What a container engine builds or loads again by itself."""
_BROAD_PROCESSES: Final = re.compile(
    r"(?:python[\d.]*|node|nodejs|java|ruby|php|bash|sh|zsh|ssh|sshd|systemd|init|docker|dockerd|containerd|"
    r"postgres\w*|mysqld?|mariadbd?|redis\S*|mongod|nginx|apache2|httpd|kubelet|\.|\.\*|-1|user .*|cron\w*|"
    r"network\w*)\Z",
    re.IGNORECASE,
)
_BROAD_RECORDS: Final = re.compile(
    r"\b(?:all|repository|repo|account|accounts|project|database|table|bucket|volume|cluster|instance|"
    r"organization|workspace|vault|backup|backups|team|folder|drive|server|environment|users|customers)\b"
)


class Reach(NamedTuple):
    """How bad it would be, and in what words."""

    risk: Risk
    what: str


def reach_of(effect: Effect) -> Reach | None:
    """How far a deletion or kill reaches; None where it is narrow, or what it deletes can be made again."""
    if effect.verb == "delete":
        return _deletion(effect)
    if effect.verb == "kill":
        return _kill(effect)
    return None


def _deletion(effect: Effect) -> Reach | None:
    target = effect.target
    if "device" in effect.flags:
        return Reach("critical", f"overwrote the disk {target}")
    if "sql" in effect.flags:
        whole = effect.flags & {"drop", "truncate"} or "unbounded" in effect.flags
        harmless = re.search(r"te?mp|test|scratch|sandbox", target)
        return Reach("high", f"deleted all of {target.removeprefix('sql:')}") if whole and not harmless else None
    if "service" in effect.flags:
        if effect.data == "prune" and _BUILD_CACHE.search(target):
            return None
        grave = _GRAVE_SERVICES.search(f"{target} {effect.data}") if effect.data != "prune" else None
        program, _, names = target.partition(":")
        what = f"deleted {names[:80]} with {program}" if names else f"destroyed what {program} manages"
        return Reach("high", what) if grave or "wide" in effect.flags else None
    if "record" in effect.flags:
        return Reach("moderate", f"deleted {target[:80]}") if _BROAD_RECORDS.search(target.partition(":")[0]) else None
    return None if effect.flags & {"moved", "http"} else _files(effect)


def _files(effect: Effect) -> Reach | None:
    target = effect.target
    if "named" in effect.flags:
        root, _, pattern = target.rpartition("/")
        return Reach("high", f"deleted every {pattern} below {root or '/'}") if _ROOTS.match(root or "/") else None
    many = bool(effect.flags & {"recursive", "many"}) or target == "*" or target.endswith("/*")
    if many and _ROOTS.match(target):
        return Reach("critical", f"deleted everything below {target}")
    if _REMAKEABLE.search(target) or target.startswith(("$", "{")):
        return None
    if many and (_HERE.match(target) or target.endswith("/.git")) and "untracked" not in effect.flags:
        return Reach("high", f"deleted the whole directory that it works in ({target})")
    target = target.removesuffix("/*")
    if many and ("tracked" not in effect.flags) and (_DATA.search(target) or _is_shallow(target)):
        return Reach("high", f"deleted {target[:80]} and all that is in it")
    return None


def _is_shallow(path: str) -> bool:
    """Whether a path is an absolute one with at most three parts, or a top folder of the home directory."""
    parts = [part for part in path.split("/") if part]
    return (path.startswith("/") and len(parts) <= 3) or (path.startswith("~/") and len(parts) <= 2)


def _kill(effect: Effect) -> Reach | None:
    target = effect.target
    if "machine" in effect.flags:
        return Reach("high", "shut the machine down or restarted it")
    if effect.flags & {"all"} or target == "-1":
        return Reach("high", f"killed every process of a user ({target})")
    if effect.flags & {"pattern", "service"} and "restart" not in effect.flags and _BROAD_PROCESSES.match(target):
        return Reach("high", f"stopped every {target[:40]} process")
    if "wide" in effect.flags or "--all" in effect.quote:
        return Reach("high", f"stopped {target[:80]}")
    return None
