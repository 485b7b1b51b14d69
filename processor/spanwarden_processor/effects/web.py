"""A command line that makes HTTP requests in, its effects out: what is asked, what is handed over, and to whom."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, NamedTuple

from spanwarden_processor.effects.command import Command
from spanwarden_processor.effects.effect import Effect, Verb
from spanwarden_processor.effects.flow import effect_of, sources_of, text_into
from spanwarden_processor.effects.options import parse
from spanwarden_processor.effects.paths import normal_path
from spanwarden_processor.effects.words import word_set

_CURL_VALUES: Final = word_set(
    "-d --data --data-raw --data-binary --data-ascii --data-urlencode --json -F --form --form-string -T "
    "--upload-file -H --header -u --user -X --request -x --proxy --noproxy -o --output -b --cookie -c "
    "--cookie-jar -A --user-agent -e --referer --url --url-query -m --max-time --connect-timeout --retry "
    "--retry-delay --retry-max-time -w --write-out -K --config --cacert --cert -E --key --resolve --connect-to "
    "--oauth2-bearer --preproxy --socks5 --socks5-hostname --interface -r --range -y -Y -z -C --limit-rate "
    "--ciphers --doh-url --dns-servers -D --dump-header --output-dir"
)
_CURL_BODY: Final = (
    "-d",
    "--data",
    "--data-raw",
    "--data-binary",
    "--data-ascii",
    "--data-urlencode",
    "--json",
    "-F",
    "--form",
    "--form-string",
)
_WGET_VALUES: Final = word_set(
    "-O -o -P -U -T -t -e -i --header --post-data --post-file --body-data --body-file --method --user "
    "--password --output-document --directory-prefix --user-agent --timeout --tries --http-user "
    "--http-password"
)
_AUTHORIZATION_HEADER: Final = re.compile(
    r"(?:proxy-)?authorization|cookie|[\w-]*(?:api[-_]?key|token|auth|secret|password)[\w-]*", re.IGNORECASE
)


_USER_INFO: Final = re.compile(r"://([^/@\s]{1,256})@")
_REF_URL: Final = re.compile(r"/git/refs/heads/([\w./-]+)")
_COMMIT_URL: Final = re.compile(
    r"/repos?/.*/(?:contents/|merges\b|git/refs\b)|/repository/(?:commits|files|branches)\b"
)
_BRANCH_FIELD: Final = re.compile(r"(?:branch|base|ref)[\"']?\s*[:=]\s*[\"']?(?:refs/heads/)?([\w./-]+)")


def curl(command: Command) -> Iterator[Effect]:
    """The effects of a `curl` command line."""
    options = parse(command.argv[1:], _CURL_VALUES)
    bodies = options.values(*_CURL_BODY)
    uploads = options.values("-T", "--upload-file")
    texts, files = _bodies(command, [*bodies, *(f"@{path}" for path in uploads)])
    secret, plain = _headers(options.values("-H", "--header"))
    credentials = "\n".join((*secret, *options.values("-u", "--user", "--oauth2-bearer", "-b", "--cookie")))
    method = next(iter(options.values("-X", "--request")), "").upper()
    flags = {"no_proxy"} if options.has("--noproxy") or options.has("-x", "--proxy", "--preproxy") else set[str]()
    if options.has("--resolve", "--connect-to", "--socks5", "--socks5-hostname", "--doh-url"):
        flags.add("rerouted")
    yield from (effect_of(command, "read", path) for path in files)
    for path in options.values("-o", "--output"):
        yield effect_of(command, "write", normal_path(path, command.directory), flags={"downloaded"})
    has_body = bool(bodies or uploads) and not options.has("-G", "--get")
    for url in (*options.values("--url"), *options.operands):
        data = "\n".join((*texts, *plain, url))
        asked = method or ("POST" if has_body else "GET")
        yield from requests_of(command, Request(url, asked, data, files, credentials, frozenset(flags)))


class Request(NamedTuple):
    """A request over HTTP, as a command line describes it."""

    url: str
    method: str
    data: str
    files: tuple[str, ...] = ()
    credentials: str = ""
    flags: frozenset[str] = frozenset()


def requests_of(command: Command, request: Request) -> Iterator[Effect]:
    """The effects of a request: what it asks or hands over, and the branch that it moves on a forge."""
    reading = request.method in {"GET", "HEAD", "OPTIONS"}
    verb: Verb = "fetch" if reading else "delete" if request.method == "DELETE" else "send"
    whole = request.url if "://" in request.url else f"http://{request.url}"
    user = _USER_INFO.search(whole)
    url = whole.replace(user[0], "://", 1) if user else whole
    yield effect_of(
        command,
        verb,
        url,
        data=request.data.replace(whole, url) if user else request.data,
        credentials=f"{request.credentials}\n{user[1]}" if user else request.credentials,
        # What a URL takes in by substitution leaves with it, whatever the method.
        sources=tuple(dict.fromkeys((*request.files, *sources_of(command)))),
        flags={"http", request.method.lower(), *request.flags},
    )
    branch = pushed_by_request(url, request.data) if verb == "send" else ""
    if branch:
        forced = {"force"} if re.search(r"force\W{1,4}true", request.data) else set[str]()
        yield effect_of(command, "push", f"api {branch}", flags={*forced, "api"})


def pushed_by_request(url: str, data: str) -> str:
    """The branch that a request to a forge's interface moves, or an empty string."""
    found = _REF_URL.search(url)
    if found:
        return found[1]
    if _COMMIT_URL.search(url):
        named = _BRANCH_FIELD.search(data)
        return named[1] if named else ""
    return ""


def _bodies(command: Command, bodies: list[str]) -> tuple[list[str], tuple[str, ...]]:
    """The text of request bodies, and the files that go into them (`@file`, `name=@file`, `name=<file`)."""
    texts: list[str] = []
    files: list[str] = []
    for body in bodies:
        found = re.match(r"(?:[\w.\[\]-]{1,64}=)?[@<]([^;]{1,1024})", body)
        if found is None:
            texts.append(body)
        elif found[1].strip() in {"-", "/dev/stdin"}:
            texts.append(text_into(command))
        else:
            files.append(normal_path(found[1], command.directory))
    return texts, tuple(files)


def _headers(headers: list[str]) -> tuple[list[str], list[str]]:
    secret = [header for header in headers if _AUTHORIZATION_HEADER.fullmatch(header.partition(":")[0].strip())]
    return secret, [header for header in headers if header not in secret]


def wget(command: Command) -> Iterator[Effect]:
    """The effects of a `wget` command line."""
    options = parse(command.argv[1:], _WGET_VALUES)
    files = [normal_path(path, command.directory) for path in options.values("--post-file", "--body-file")]
    texts = options.values("--post-data", "--body-data")
    secret, plain = _headers(options.values("--header"))
    credentials = "\n".join((*secret, *options.values("--password", "--http-password")))
    method = next(iter(options.values("--method")), "POST" if files or texts else "GET").upper()
    flags = {"no_proxy"} if options.has("--no-proxy") else set[str]()
    yield from (effect_of(command, "read", path) for path in files)
    for path in options.values("-O", "--output-document"):
        if path != "-":
            yield effect_of(command, "write", normal_path(path, command.directory), flags={"downloaded"})
    for url in options.operands:
        data = "\n".join((*texts, *plain, url))
        yield from requests_of(command, Request(url, method, data, tuple(files), credentials, frozenset(flags)))


def httpie(command: Command) -> Iterator[Effect]:
    """The effects of an HTTPie command line."""
    options = parse(command.argv[1:], frozenset({"-a", "--auth", "-o", "--output", "--proxy"}))
    words = list(options.operands)
    method = words.pop(0).upper() if words and words[0].isupper() else ""
    if not words:
        return
    url, *items = words
    files = tuple(normal_path(item.partition("@")[2], command.directory) for item in items if "@" in item)
    secret = [item for item in items if ":" in item and _AUTHORIZATION_HEADER.fullmatch(item.partition(":")[0])]
    data = "\n".join((*(item for item in items if item not in secret), text_into(command), url))
    has_body = bool(items) or bool(command.upstream) or bool(command.reads)
    credentials = "\n".join((*secret, *options.values("-a", "--auth")))
    yield from requests_of(command, Request(url, method or ("POST" if has_body else "GET"), data, files, credentials))
