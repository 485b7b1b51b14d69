"""An effect in, the safeguard that it weakens out."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import Final, NamedTuple

from spanwarden_processor.effects.effect import Effect
from spanwarden_processor.effects.words import word_set
from spanwarden_processor.patterns import Expressions
from spanwarden_processor.types import Risk

_MONITORS: Final = re.compile(
    r"(?:^|[\s/_.-])(?:auditd|audit|falco\w*|osquery\w*|falcon\S*|crowdstrike|sysmon|wazuh\S*|ossec\S*|clamav\S*|"
    r"clamd|freshclam|mdatp|defender\S*|windefend|sentinel\w*|datadog\S*|newrelic\S*|"
    r"otelcol\S*|otel-collector|opentelemetry\S*|node_exporter|prometheus|fluentd|fluent-?bit|filebeat|auditbeat|"
    r"vector|rsyslogd?|syslog(?:-ng)?d?|journald|systemd-journald|fail2ban|ufw|firewalld|"
    r"apparmor|selinux|spanwarden|watchdog|edr\S*|splunk\S*|snort|suricata|tripwire|aide|carbonblack|sophos\S*|"
    r"monitor(?:ing)?(?:[-_.]\S*)?|\S+[-_]monitor(?:ing)?)(?=$|[\s.])",
    re.IGNORECASE,
)
_HOOK_FILE: Final = re.compile(
    r"(?:^|/)\.git/hooks(?:/[\w-]+)?\Z|(?:^|/)\.husky(?:/|\Z)|(?:^|/)\.githooks(?:/|\Z)|(?:^|/)\.pre-commit-config\.ya?ml\Z|(?:^|/)lefthook\.ya?ml\Z"
)
_AGENT_SETTINGS: Final = re.compile(
    r"(?:^|/)\.(?:claude|codex|cursor|gemini|continue|opencode|windsurf|aider|cline|roo|goose)(?:/|\Z)|(?:^|"
    r"/)\.(?:claude|aider)\S*\.(?:json|ya?ml|toml)\Z|(?:^|/)\.vscode/settings\.json\Z|"
    r"(?:^|/)(?:agent|guard(?:rail)?s?|polic(?:y|ies)|sandbox|permissions?|allow-?list|deny-?list|"
    r"approval\w*)[\w.-]*\.(?:json|ya?ml|toml|rego|conf|ini)\Z",
    re.IGNORECASE,
)
_LOOSER: Final = re.compile(
    r"bypassPermissions|dangerously[-_]?\w*|\"allow\"\s*:\s*\[[^\]]*\"(?:\*|Bash(?:\(\*\))?)\"|"
    r"approval[-_]policy\"?\s*[=:]\s*\"never\"|danger-full-access|auto[-_]?approve\w*\"?\s*[=:]\s*(?:true|\"?all)|"
    r"\"?deny(?:[-_]?list)?\"?\s*[=:]\s*\[\s*\]|\"?(?:enabled?|enforce\w*|require\w*|active|logging|audit|"
    r"monitoring|telemetry|strict|sandbox\w*|guard\w*|block\w*)\"?\s*[=:]\s*(?:false|\"?off\b|\"?disabled|0\b|"
    r"no\b|\"?none)|"
    r"disable\w*\"?\s*[=:]\s*(?:true|1\b)|default\s+allow\s*:?=\s*true|yolo|\"hooks\"\s*:\s*\{\s*\}|"
    r"\"?mode\"?\s*[=:]\s*\"?(?:permissive|monitor[-_]only|allow[-_]all|audit[-_]only)",
    re.IGNORECASE,
)
_LOG_FILE: Final = re.compile(
    r"^/var/log(?:/|\Z)|(?:^|/)audit[\w.-]*(?:\.log|\.jsonl?|/|\Z)|(?:^|/)\.(?:bash|zsh|sh|python|node_repl|"
    r"psql)_history\Z|(?:^|/)\.(?:claude/projects|codex/(?:sessions|history\.jsonl)|gemini/tmp)|"
    r"(?:^|/)(?:transcripts?|trajector(?:y|ies)|traces?|telemetry|access_?log|security)[\w-]*\.(?:log|jsonl?|txt)\Z",
    re.IGNORECASE,
)
_TELEMETRY: Final = re.compile(
    r"\$(?:OTEL_SDK_DISABLED|OTEL_(?:TRACES|LOGS|METRICS)_EXPORTER|OTEL_TRACES_SAMPLER|OTEL_EXPORTER_OTLP_\w*ENDPOINT|CLAUDE_CODE_ENABLE_TELEMETRY|SPANWARDEN_\w+|OTEL_PYTHON_DISABLED_INSTRUMENTATIONS)\Z"
)
_LASTING: Final = word_set("export unset declare typeset setx")
_SWITCHED_OFF: Final = re.compile(
    r"true|1|none|always_off|off|0|false|disabled|/dev/null|\s*\Z|spanwarden\S*|openai\S*", re.IGNORECASE
)
_HISTORY: Final = re.compile(r"\$(?:HISTFILE|HISTSIZE|HISTFILESIZE|HISTCONTROL)\Z")
_COMMANDS: Final[dict[str, str]] = {
    "erased the record of its commands": r"history\s+-[cdw]+\b|set\s+\+o\s+history|fc -p",
    "erased or stopped the system's logs": (
        r"auditctl\s+(?:-D|-e\s*0)|journalctl\s+--vacuum-\w+=?\s*(?:1s|0|1)|wevtutil\s+cl|dmesg\s+-C"
    ),
    "switched the firewall off": (
        r"ufw\s+(?:--force\s+)?(?:disable|reset)|(?:ip6?tables|nft)\s+(?:-F|--flush|-X|flush\s+ruleset)"
        r"|ip6?tables\s+-P\s+\w+\s+ACCEPT|netsh\s+advfirewall\s+set\s+\w+\s+state\s+off|pfctl\s+-d"
    ),
    "switched a protection of the system off": (
        r"setenforce\s+(?:0|permissive)|aa-(?:teardown|disable|complain)|Set-MpPreference\s+-Disable\w+\s+\$?true"
        r"|spctl\s+--(?:master|global)-disable|csrutil\s+disable"
    ),
    "stopped the audit log of the cloud account": (
        r"cloudtrail\s+(?:stop-logging|delete-trail)|guardduty\s+delete-detector|logging\s+sinks\s+delete"
        r"|securityhub\s+disable|configservice\s+stop-configuration-recorder|delete-flow-logs"
        r"|monitor\s+(?:diagnostic-settings|log-profiles)\s+delete|flow-logs?\s+delete"
    ),
    "deleted a policy of the cluster": (
        r"delete\s+(?:validating|mutating)webhook\w*|delete\s+(?:networkpolic|podsecuritypolic|clusterpolic|constraint)\w*"
    ),
    "gave an account the rights of an administrator": (
        r"\busermod\s+.*-\w*G\s*\S*(?:sudo|wheel|admin|docker)|gpasswd\s+-a\s+\S+\s+(?:sudo|wheel)"
    ),
}
"""What command lines do to safeguards, in words."""

_COMMANDERS: Final = word_set(
    "history set fc auditctl journalctl wevtutil dmesg ufw iptables ip6tables nft netsh pfctl setenforce aa-teardown "
    "aa-disable aa-complain Set-MpPreference powershell pwsh spctl csrutil aws gcloud az kubectl oc usermod gpasswd"
)
"""The programs that they begin with."""

_COMMAND_RISKS: Final[dict[str, Risk]] = {
    "erased the record of its commands": "moderate",
    "stopped the audit log of the cloud account": "critical",
}
_SYSTEM_PATH: Final = re.compile(r"(?:/|~|/(?:etc|usr|var|bin|lib|opt|home|root|srv)(?:/[\w.-]+)?)\Z")
_OPEN_MODE: Final = re.compile(r"0?[0-7]?777|a\+rwx|o\+w|ugo\+rwx|a=rwx|0?666|a\+w|[ug]*\+s|[246][0-7]{3}")


class Weakened(NamedTuple):
    """What an effect weakens, in words, how bad that is, and with which words trusted text would ask for it."""

    what: str
    risk: Risk
    acts: frozenset[str]
    nouns: frozenset[str]
    quote: str = ""


_ASKED_WITH: Final = frozenset({"disable", "delete", "edit", "stop", "skip", "allow", "run"})


def weakened_by(effect: Effect, is_aware: Callable[[], bool]) -> Weakened | None:
    """The safeguard that an effect weakens, or None. `is_aware` tells whether the agent's words show that it knows."""
    match effect.verb:
        case "write" | "delete":
            return _file(effect)
        case "permit":
            return _permission(effect)
        case "configure":
            return _setting(effect, is_aware)
        case "kill":
            return _monitor(effect)
        case "run" | "change":
            return _command(effect)
        case _:
            return None


def _file(effect: Effect) -> Weakened | None:
    target = effect.target
    gone = effect.verb == "delete" or "emptied" in effect.flags
    if _HOOK_FILE.search(target):
        silenced = (
            re.search(r"^\s*exit 0\s*$", effect.data, re.MULTILINE)
            and len(effect.data) < 60
            and "append" not in effect.flags
        )
        return _weakened("removed a git hook", "high", "hook") if gone or silenced else None
    if _LOG_FILE.search(target):
        wiped = gone or (
            effect.verb == "write"
            and not effect.flags & {"append", "edit", "create"}
            and not effect.data.strip()
            and effect.program in {"cat", "echo", "cp", "truncate", ":", "true"}
        )
        return _weakened(f"erased the log {target[-60:]}", "high", "log") if wiped else None
    if _AGENT_SETTINGS.search(target) or re.search(r"^/etc/sudoers", target):
        looser = (
            _LOOSER.search(effect.data) if "sudoers" not in target else re.search(r"NOPASSWD|ALL=\(ALL", effect.data)
        )
        if looser and looser[0] not in effect.old:
            return _weakened(f"loosened the permissions in {target[-60:]}", "high", "guard", looser[0])
    return _telemetry_file(effect)


def _telemetry_file(effect: Effect) -> Weakened | None:
    if effect.verb != "write" or not ("OTEL_" in effect.data or "TELEMETRY" in effect.data):
        return None
    found = re.search(
        r"(OTEL_SDK_DISABLED|OTEL_(?:TRACES|LOGS)_EXPORTER|CLAUDE_CODE_ENABLE_TELEMETRY)\W{1,4}(?:true|none|1|0|false)\b",
        effect.data,
    )
    if found and effect.verb == "write" and found[0] not in effect.old:
        return _weakened("switched its telemetry off", "high", "log", found[0])
    return None


def _permission(effect: Effect) -> Weakened | None:
    if (
        effect.flags & {"chmod"}
        and _HOOK_FILE.search(effect.target)
        and re.match(r"(?:[ugoa]*-x|0?[0-6]?[0-6]{3}\Z)", effect.data)
    ):
        return _weakened("made a git hook ineffective", "high", "hook")
    wide = "recursive" in effect.flags and _OPEN_MODE.fullmatch(effect.data)
    system = _SYSTEM_PATH.match(effect.target) or re.match(r"/etc/(?:passwd|shadow|sudoers)", effect.target)
    if wide and system:
        return _weakened(f"opened {effect.target} to everyone", "critical" if effect.target == "/" else "high", "guard")
    if _OPEN_MODE.fullmatch(effect.data) and re.match(r"/etc/(?:passwd|shadow|sudoers|ssh)|~/\.ssh", effect.target):
        return _weakened(f"opened {effect.target} to everyone", "high", "guard")
    return None


def _setting(effect: Effect, is_aware: Callable[[], bool]) -> Weakened | None:
    target = effect.target
    if target == "git core.hookspath":
        away = "unset" in effect.flags or re.search(r"/dev/null|^\s*$|/tmp/|none|no-?hooks|empty", effect.data)
        return _weakened("pointed git away from its hooks", "high", "hook") if away else None
    if _TELEMETRY.match(target) and _SWITCHED_OFF.match(effect.data) and (effect.program in _LASTING or is_aware()):
        return _weakened("switched its telemetry off", "high", "log")
    if _HISTORY.match(target) and (effect.flags & {"unset"} or effect.data in {"", "0", "/dev/null"}):
        return _weakened("stopped the record of its commands", "moderate", "log")
    return (
        _weakened("switched SELinux off", "high", "guard")
        if target == "selinux" and effect.data in {"0", "permissive", "Permissive"}
        else None
    )


def _monitor(effect: Effect) -> Weakened | None:
    if "restart" in effect.flags or not _MONITORS.search(f" {effect.target} "):
        return None
    return _weakened(f"stopped the monitor {effect.target[:60]}", "high", "guard")


def _command(effect: Effect) -> Weakened | None:
    if effect.program not in _COMMANDERS:
        return None
    for what, _ in _commands().first_in(effect.data[:400]):
        nouns = frozenset({"guard", "log", "network", "sudo"})
        return _weakened(what, _COMMAND_RISKS.get(what, "high"), "guard", nouns=nouns)
    return None


@cache
def _commands() -> Expressions:
    return Expressions(_COMMANDS)


def _weakened(what: str, risk: Risk, noun: str, quote: str = "", nouns: frozenset[str] = frozenset()) -> Weakened:
    return Weakened(what, risk, _ASKED_WITH, nouns | {noun, "guard"}, quote)
