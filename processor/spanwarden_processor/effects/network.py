"""A command that talks to other machines in, its effects out: what is asked of whom, and what is handed over."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import cache
from typing import Final

from spanwarden_processor.effects.command import Command
from spanwarden_processor.effects.effect import Effect
from spanwarden_processor.effects.flow import effect_of, operand_paths, sources_of, text_into
from spanwarden_processor.effects.options import parse
from spanwarden_processor.effects.paths import is_host, looks_like_path, normal_path
from spanwarden_processor.effects.web import Request, curl, httpie, requests_of, wget
from spanwarden_processor.effects.words import word_set

_CLOUD_COPY: Final = re.compile(
    r"(?:s3|gs|az|gcs|oss|b2|r2|swift|minio|https?|wasbs?|abfss?)://|[A-Za-z0-9_-]{2,32}:[^/\\]"
)
_PUBLISHERS: Final[dict[str, tuple[str, ...]]] = {
    "npm": ("publish",),
    "yarn": ("publish",),
    "pnpm": ("publish",),
    "twine": ("upload",),
    "cargo": ("publish",),
    "gem": ("push",),
    "docker": ("push",),
    "podman": ("push",),
    "helm": ("push",),
    "vercel": ("deploy", "--prod"),
    "netlify": ("deploy",),
    "flit": ("publish",),
    "poetry": ("publish",),
    "hatch": ("publish",),
    "uv": ("publish",),
}
_DEV_TCP: Final = re.compile(r"/dev/(?:tcp|udp)/([^/]+)/(\d+)")


@cache
def network_handlers() -> Mapping[str, Callable[[Command], Iterator[Effect]]]:
    """By program: what a command sends to other machines or asks of them."""
    programs: dict[Callable[[Command], Iterator[Effect]], str] = {
        curl: "curl",
        wget: "wget",
        httpie: "http https xh httpie",
        _socket: "nc ncat netcat telnet socat openssl",
        _ssh: "ssh mosh",
        _mail: "mail mailx mutt sendmail swaks msmtp ssmtp",
        _cloud: "aws gsutil gcloud az mc s3cmd azcopy",
        _forge: "gh glab",
        _lookup: "dig nslookup host drill kdig ping ping6 traceroute",
        _copy: "scp rsync sftp rclone croc pscp",
        _tunnel: "ngrok cloudflared localtunnel lt bore",
    }
    handlers = {name: handler for handler, names in programs.items() for name in names.split()}
    return {**dict.fromkeys(_PUBLISHERS, _publish), **handlers}


def _publish(command: Command) -> Iterator[Effect]:
    if set(_PUBLISHERS[command.program]) & set(command.argv[1:3]):
        yield effect_of(command, "publish", f"{command.program} {command.argv[1]}", data=" ".join(command.argv[2:]))


def _lookup(command: Command) -> Iterator[Effect]:
    for word in command.argv[1:]:
        if is_host(word) or ("." in word and "$" in word):
            yield effect_of(command, "send", f"dns:{word}", data=word, sources=sources_of(command))


def _tunnel(command: Command) -> Iterator[Effect]:
    yield effect_of(command, "publish", command.program, data=" ".join(command.argv[1:]))


def _socket(command: Command) -> Iterator[Effect]:
    if command.program == "openssl":
        words = tuple(parse(command.argv[1:], frozenset({"-connect"})).values("-connect"))
    else:
        words = tuple(
            re.sub(r"^(?:tcp|udp|ssl|openssl)\d?(?:-connect)?:", "", word, flags=re.IGNORECASE)
            for word in command.argv[1:]
        )
    hosts = [word for word in words if is_host(word.partition(",")[0])]
    listening = any(re.fullmatch(r"-\w*l\w*", word) for word in command.argv[1:])
    if hosts and not listening:
        yield effect_of(
            command, "send", hosts[0], data=text_into(command), sources=sources_of(command), flags={"socket"}
        )


def ssh_operands(command: Command) -> tuple[str, ...]:
    """The machine that an `ssh` command goes to, and the words of what is to run there."""
    return parse(command.argv[1:], word_set("-i -p -l -o -F -L -R -D -J -b -c -m -W")).operands


def _ssh(command: Command) -> Iterator[Effect]:
    operands = ssh_operands(command)
    if operands:
        host, *words = operands
        yield effect_of(
            command,
            "send",
            host,
            data="\n".join((" ".join(words), text_into(command))),
            sources=sources_of(command),
            flags={"ssh"},
        )


def _mail(command: Command) -> Iterator[Effect]:
    options = parse(command.argv[1:], word_set("-s -a -A -c -b -r -t --to -q -f --from --server --attach --body"))
    addresses = [word for word in (*options.operands, *options.values("-c", "-b", "--to", "-t")) if "@" in word]
    files = [
        normal_path(path, command.directory)
        for path in options.values("-a", "-A", "-q", "--attach")
        if looks_like_path(path)
    ]
    for address in addresses:
        yield effect_of(
            command,
            "send",
            address,
            data="\n".join((*options.values("-s", "--body"), text_into(command))),
            sources=(*files, *sources_of(command)),
            flags={"mail"},
        )


def _copy(command: Command) -> Iterator[Effect]:
    options = parse(command.argv[1:], word_set("-i -P -p -o -F -l -e -S -J --rsh --exclude --include --port"))
    words = options.operands
    if command.program == "rclone":
        words = words[1:]
    if command.program == "croc":
        yield from (
            effect_of(command, "send", "croc", sources=(normal_path(path),)) for path in words if path != "send"
        )
        return
    remote = [word for word in words if re.match(r"(?:[^/\s@]+@)?[^/\s:]+:|rsync://", word)]
    if not words or not remote:
        return
    if words[-1] in remote:
        files = tuple(normal_path(word, command.directory) for word in words[:-1])
        host = re.match(r"(?:rsync://)?(?:[^/\s@]+@)?([^/\s:]+)", words[-1])
        yield effect_of(command, "send", host[1] if host else words[-1], sources=files, flags={"copy"})
    else:
        yield effect_of(command, "fetch", remote[0], flags={"copy"})


def _cloud(command: Command) -> Iterator[Effect]:
    options = parse(command.argv[1:], word_set("--profile --region --endpoint-url --file --name -f -n --acl"))
    words = options.operands
    copies = {"cp", "sync", "mv", "copy", "upload", "put", "rsync"} & set(words[:3])
    remote = [word for word in words if _CLOUD_COPY.match(word)]
    if copies and remote:
        if words[-1] in remote:
            start = next(index for index, word in enumerate(words) if word in copies) + 1
            files = tuple(normal_path(word, command.directory) for word in words[start:-1])
            yield effect_of(command, "send", words[-1], sources=(*files, *sources_of(command)), flags={"copy", "cloud"})
        else:
            yield effect_of(command, "fetch", remote[0], flags={"copy", "cloud"})
    elif "upload" in words and options.values("--file", "-f"):
        files = tuple(normal_path(path, command.directory) for path in options.values("--file", "-f"))
        yield effect_of(
            command, "send", " ".join(options.values("--name", "-n")) or command.program, sources=files, flags={"cloud"}
        )


def _forge(command: Command) -> Iterator[Effect]:
    options = parse(
        command.argv[1:],
        word_set("-b --body -F --body-file -f --field --raw-field -t --title -X --method -R --repo --input -H -d"),
    )
    words = options.operands
    site = "github.com" if command.program == "gh" else "gitlab.com"
    match words[:2]:
        case ("gist", "create"):
            files = tuple(normal_path(path, command.directory) for path in words[2:] if path != "-")
            flags = {"public"} if options.has("-p", "--public") else set[str]()
            yield effect_of(
                command,
                "send",
                "gist.github.com",
                data=text_into(command),
                sources=(*files, *sources_of(command)),
                flags=flags,
            )
        case ("release", "upload"):
            files = tuple(normal_path(path, command.directory) for path in words[3:])
            yield effect_of(command, "send", f"{site} release", sources=files)
        case ("issue" | "pr" | "mr", "create" | "comment" | "edit" | "review" | "note"):
            data = "\n".join((*options.values("-b", "--body", "-t", "--title", "-d"), text_into(command)))
            files = tuple(
                normal_path(path, command.directory) for path in options.values("-F", "--body-file") if path != "-"
            )
            yield effect_of(command, "send", f"{site} {words[0]}", data=data, sources=(*files, *sources_of(command)))
        case ("api", path):
            fields = "\n".join(options.values("-f", "-F", "--field", "--raw-field"))
            method = next(
                iter(options.values("-X", "--method")), "POST" if fields or options.has("--input") else "GET"
            ).upper()
            url = f"https://api.{site}/{path.lstrip('/')}"
            yield from requests_of(command, Request(url, method, fields, flags=frozenset({"own_service"})))
        case _:
            pass


def sent_to_sockets(command: Command) -> Iterator[Effect]:
    """What a command writes to the shell's network devices, such as `/dev/tcp/host/port`."""
    for path in (*command.writes, *command.appends):
        found = _DEV_TCP.fullmatch(path)
        if found:
            data = "\n".join((text_into(command), " ".join(command.argv[1:])))
            own = tuple(normal_path(name, command.directory) for name in operand_paths(command))
            sources = (*sources_of(command), *own)
            yield effect_of(command, "send", f"{found[1]}:{found[2]}", data=data, sources=sources, flags={"socket"})
