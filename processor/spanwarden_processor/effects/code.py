"""Python text in, its effects out: files, processes and requests that a script would touch.

The text is parsed and never run. Values are followed only where they are written out: constants, joined strings,
simple variables. Of other languages only the paths and addresses in string literals beside telling calls are read.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator
from typing import Final, NamedTuple

from spanwarden_processor.effects.words import word_set

MAX_CODE: Final = 65_536
_MAX_NODES: Final = 6_000
_MAX_TEXT: Final = 16_384


class Act(NamedTuple):
    """One telling call in a script: its verb as in `Effect`, what it is about, and where it stands in the text."""

    verb: str
    target: str
    quote: str
    data: str = ""
    credentials: str = ""
    flags: frozenset[str] = frozenset()


_REQUESTS: Final = re.compile(
    r"(?:requests|httpx|session|client|http|aiohttp|urllib3|s|sess|Session\(\)|pool|manager)(?:\.\w+)?\.(get|post|"
    r"put|patch|delete|head|request|stream)\Z"
)
_DELETERS: Final = word_set(
    "os.remove os.unlink os.rmdir os.removedirs shutil.rmtree remove unlink rmtree removedirs send2trash"
)
_SHELL_CALLS: Final = word_set(
    "os.system os.popen subprocess.run subprocess.call subprocess.check_call subprocess.check_output "
    "subprocess.Popen subprocess.getoutput subprocess.getstatusoutput run check_output Popen system popen "
    "commands.getoutput asyncio.create_subprocess_shell asyncio.create_subprocess_exec pty.spawn os.execvp "
    "os.execv get_ipython().system"
)
_MAX_DEPTH: Final = 12
_SOCKET_METHODS: Final = word_set("connect create_connection sendto gethostbyname getaddrinfo")
_COPIERS: Final = word_set("shutil.copy shutil.copyfile shutil.copy2 shutil.move shutil.copytree os.rename os.replace")
_READ_METHODS: Final = frozenset({"read_text", "read_bytes"})
_WRITE_METHODS: Final = frozenset({"write_text", "write_bytes"})
_FRAME_READERS: Final = re.compile(r"(?:pd|pandas|pl|polars|np|numpy)\.(?:read_\w+|load\w*|genfromtxt)\Z")
_LITERAL: Final = re.compile(r"""(["'`])((?:https?://|/|~/|\./|\.env)[^"'`\n]{1,300})\1""")
_FOREIGN_VERBS: Final[tuple[tuple[str, str], ...]] = (
    ("delete", r"unlink|rmSync|rmdirSync|\brm\(|rm_rf|FileUtils\.rm|\bunlink\b|File\.delete|Remove-Item"),
    (
        "send",
        r"fetch\(|\.request\(|axios|http\.request|https\.request|Net::HTTP|LWP|file_get_contents\(|curl_|Invoke-WebRequest|"
        r"\.post\(",
    ),
    ("write", r"writeFile|appendFile|File\.write|file_put_contents|Set-Content|Out-File"),
    ("read", r"readFile|File\.read|open\(|fopen|Get-Content|\bcat\b|slurp"),
)


def acts_of_python(text: str) -> tuple[Act, ...] | None:
    """The acts of a Python script, or None where it is no Python that can be read."""
    if len(text) > MAX_CODE:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            tree = ast.parse(_without_magics(text))
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return tuple(_Script(text).acts(tree))


def acts_of_other_code(text: str) -> tuple[Act, ...]:
    """The acts of a script in another language, as far as its string literals and calls tell."""
    text = text[:MAX_CODE]
    literals = [found[2] for found in _LITERAL.finditer(text)][:32]
    verb = next((verb for verb, pattern in _FOREIGN_VERBS if re.search(pattern, text)), None)
    if verb is None:
        return ()
    acts: list[Act] = []
    for literal in literals:
        if literal.startswith("http"):
            acts.append(Act("send" if verb == "send" else "fetch", literal, literal, data=text))
        else:
            acts.append(Act("read" if verb == "send" else verb, literal, literal))
    return tuple(acts)


def shell_magics(text: str) -> list[str]:
    """The shell commands of a notebook cell: lines that begin with `!`, and `%%bash` cells."""
    if text.lstrip().startswith(("%%bash", "%%sh", "%%script bash")):
        return [text.lstrip().partition("\n")[2]]
    return [line.lstrip()[1:] for line in text.splitlines() if line.lstrip().startswith("!")]


def _without_magics(text: str) -> str:
    if "!" not in text and "%" not in text:
        return text
    return "\n".join("pass" if line.startswith(("!", "%")) else line for line in text.split("\n"))


class _Script:
    """Walks one syntax tree; holds the strings that its variables stand for."""

    def __init__(self, text: str) -> None:
        self.lines = text.encode("utf-8", "replace").split(b"\n")
        self.values: dict[str, str] = {}

    def acts(self, tree: ast.AST) -> Iterator[Act]:
        """The acts of the tree, in the order of its nodes."""
        for index, node in enumerate(ast.walk(tree)):
            if index > _MAX_NODES:
                return
            if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
                value = self.text_of(node.value)
                if value and len(self.values) < 200:
                    self.values[node.targets[0].id] = value
            elif isinstance(node, ast.withitem) and isinstance(node.optional_vars, ast.Name):
                self.values[node.optional_vars.id] = self.text_of(node.context_expr)
            elif isinstance(node, ast.Call):
                yield from self._call(node)

    def _call(self, node: ast.Call) -> Iterator[Act]:
        name = _name(node.func)
        first = self.text_of(node.args[0]) if node.args else ""
        request = _REQUESTS.match(name)
        if request or name.endswith(("urlopen", "Request", "urlretrieve")):
            yield from self._request(node, request[1] if request else "", first)
        elif name in {"open", "io.open", "codecs.open", "aiofiles.open"} and first:
            mode = self._argument(node, 1, "mode") or "r"
            yield self._act("write" if set(mode) & set("wax+") else "read", first, node)
        elif name in _SHELL_CALLS:
            command = self._command_line(node)
            if command:
                yield self._act("run", command, node)
        elif name in _DELETERS and first:
            yield self._act("delete", first, node, flags={"recursive"} if name.endswith("rmtree") else set())
        else:
            yield from self._method(node, name, first)

    def _method(self, node: ast.Call, name: str, first: str) -> Iterator[Act]:
        method = name.rpartition(".")[2]
        receiver = self.text_of(node.func.value) if isinstance(node.func, ast.Attribute) else ""
        if method in _READ_METHODS and receiver:
            yield self._act("read", receiver, node)
        elif receiver and (method in _WRITE_METHODS or (method == "write" and node.args)):
            # What cannot be worked out is kept as it is written: it may say what is replaced by what.
            shown = first or (self._source(node.args[0]) if node.args else "")
            yield self._act("write", receiver, node, data=shown, flags=set() if first else {"expression"})
        elif method in {"unlink", "rmdir"} and receiver and not node.args:
            yield self._act("delete", receiver, node)
        elif _FRAME_READERS.match(name) and first:
            yield self._act("fetch" if "://" in first else "read", first, node)
        elif method in _SOCKET_METHODS:
            yield from self._socket(node, first)
        else:
            yield from self._function(node, name, first)

    def _function(self, node: ast.Call, name: str, first: str) -> Iterator[Act]:
        if name in _COPIERS and first:
            yield self._act("read", first, node)
            yield self._act("write", self._argument(node, 1, "dst"), node, data=f"copy of {first}")
        elif name.endswith((".sendmail", ".send_message")):
            yield self._act("send", self._argument(node, 1, "to_addrs"), node, data=self._argument(node, 2, "msg"))
        elif name in {"os.mkdir", "os.makedirs"} and first:
            yield self._act("write", first, node)
        elif name in {"os.kill", "os.killpg"}:
            yield self._act("kill", first or "process", node)
        elif name in {"os.chmod", "os.chown"} and first:
            yield self._act("permit", first, node, data=self._source(node.args[1]) if len(node.args) > 1 else "")

    def _request(self, node: ast.Call, method: str, first: str) -> Iterator[Act]:
        url = first if "://" in first else self._argument(node, 1, "url")
        if method == "request" and first:
            method = first.lower()
        bodies = [
            keyword
            for keyword in node.keywords
            if keyword.arg in {"data", "json", "files", "params", "content", "body"}
        ]
        data = "\n".join((*(self.text_of(body.value) or self._source(body.value) for body in bodies), url))
        if not bodies and len(node.args) > 1 and method != "get":
            data = "\n".join((*(self.text_of(each) or self._source(each) for each in node.args[1:]), url))
            bodies = [ast.keyword(arg="data", value=node.args[1])]
        secret = [keyword for keyword in node.keywords if keyword.arg in {"auth", "headers", "cookies"}]
        credentials = "\n".join(self.text_of(each.value) or self._source(each.value) for each in secret)
        if not url:
            return
        sends = method in {"post", "put", "patch"} or (bool(bodies) and method not in {"get", "head"})
        verb = "delete" if method == "delete" else "send" if sends else "fetch"
        yield self._act(verb, url, node, data=data, credentials=credentials, flags={"http", method or "get"})

    def _socket(self, node: ast.Call, first: str) -> Iterator[Act]:
        address = node.args[-1] if node.args else None
        host = first
        if isinstance(address, ast.Tuple) and address.elts:
            host = self.text_of(address.elts[0])
        elif node.args and isinstance(node.args[0], ast.Tuple) and node.args[0].elts:
            host = self.text_of(node.args[0].elts[0])
        if host:
            yield self._act("send", host, node, flags={"socket"})

    def _command_line(self, node: ast.Call) -> str:
        if not node.args:
            return ""
        command = node.args[0]
        if isinstance(command, (ast.List, ast.Tuple)):
            words = [self.text_of(each) or "?" for each in command.elts]
            return " ".join(f"'{word}'" if re.search(r"[\s;|&$]", word) else word for word in words)
        return self.text_of(command)

    def _argument(self, node: ast.Call, position: int, name: str) -> str:
        keyword = next((each.value for each in node.keywords if each.arg == name), None)
        value = keyword or (node.args[position] if len(node.args) > position else None)
        return self.text_of(value) if value is not None else ""

    def text_of(self, node: ast.AST, depth: int = 0) -> str:
        """The string an expression stands for, as far as it is written out; empty where nothing is known."""
        if depth > _MAX_DEPTH:
            return ""
        match node:
            case ast.Constant(value=str() | bytes() as value):
                return (value if isinstance(value, str) else value.decode("utf-8", "replace"))[:_MAX_TEXT]
            case ast.Name(id=name):
                return self.values.get(name, "")
            case ast.JoinedStr(values=values):
                return "".join(self._formatted(value, depth) for value in values)[:_MAX_TEXT]
            case ast.BinOp(left=left, op=ast.Add() | ast.Div(), right=right):
                separator = "/" if isinstance(node.op, ast.Div) else ""
                return (self.text_of(left, depth + 1) + separator + self.text_of(right, depth + 1))[:_MAX_TEXT]
            case ast.Call(func=function, args=arguments):
                return self._built(_name(function), arguments, depth)
            case _:
                return ""

    def _formatted(self, node: ast.expr, depth: int) -> str:
        if isinstance(node, ast.FormattedValue):
            return self.text_of(node.value, depth + 1) or "{" + self._source(node.value) + "}"
        return self.text_of(node, depth + 1)

    def _built(self, name: str, arguments: list[ast.expr], depth: int) -> str:
        if not arguments:
            return "~" if name.endswith("Path.home") else ""
        if name.endswith(("path.join", "joinpath")):
            return "/".join(self.text_of(each, depth + 1) for each in arguments)
        if name.endswith(("Path", "expanduser", "open", "abspath", "PurePath", "str", "encode", "Request")):
            return self.text_of(arguments[0], depth + 1)
        return ""

    def _source(self, node: ast.AST) -> str:
        # What `ast.get_source_segment` gives, without splitting the whole text at each call.
        if not isinstance(node, ast.expr) or node.end_lineno is None or node.end_col_offset is None:
            return ""
        lines = self.lines[node.lineno - 1 : node.end_lineno]
        lines[-1] = lines[-1][: node.end_col_offset]
        lines[0] = lines[0][node.col_offset :]
        return b"\n".join(lines).decode("utf-8", "replace")[:_MAX_TEXT]

    def _act(
        self,
        verb: str,
        target: str,
        node: ast.AST,
        *,
        data: str = "",
        credentials: str = "",
        flags: set[str] = frozenset(),  # type: ignore[assignment]
    ) -> Act:
        return Act(verb, target, self._source(node)[:240], data, credentials, frozenset(flags))


def _name(node: ast.AST) -> str:
    parts: list[str] = []
    while isinstance(node, ast.Attribute) and len(parts) < 6:
        parts.append(node.attr)
        node = node.value
    if isinstance(node, ast.Name):
        parts.append(node.id)
    elif isinstance(node, ast.Call):
        parts.append(_name(node.func) + "()")
    return ".".join(reversed(parts))
