"""The command line as people type it: short options, typing errors, help, settings, completion."""

from __future__ import annotations

import argparse
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from command import SAMPLE, realtime_ser
from fake_portaudio import write_fake_portaudio
from realtime_ser.cli.commands import commands

NAMES = commands.names


def own_options(name: str) -> Iterator[argparse.Action]:
    parser: argparse.ArgumentParser = commands.parser()
    for word in name.split():
        parser = parser._subparsers._group_actions[0].choices[word]
    yield from parser._actions


def run(typed: str) -> int:
    options = commands.parse(typed.split())
    return int(options.command.run(options))


@pytest.mark.parametrize("name", NAMES)
def test_help_says_defaults_and_ends_with_two_examples_that_work(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        run(f"help {name}")
    text = capsys.readouterr().out
    assert ended.value.code == 0
    assert text.startswith(f"usage: realtime-ser {name}")
    *_, heading, first, second = text.rstrip().splitlines()
    assert heading == "examples:"
    for line in (first, second):
        program, *rest = shlex.split(line.partition(" > ")[0])
        assert program == "realtime-ser"
        if rest != ["--version"]:
            assert commands.parse(rest).command.name == name
    for action in own_options(name):
        if action.option_strings and action.nargs != 0:
            assert "default" in str(action.help), action.option_strings


def test_the_main_help_ends_with_two_examples(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        commands.parse(["--help"])
    text = capsys.readouterr().out
    assert [name for name in NAMES if " " not in name and not re.search(rf"^    {name} ", text, re.M)] == []
    assert [line.split()[0] for line in text.rstrip().splitlines()[-2:]] == ["realtime-ser"] * 2


@pytest.mark.parametrize(
    ("short", "long"),
    [
        ("monitor -d usb -m cnn -q -v", "monitor --device usb --model cnn --quiet --verbose"),
        ("replay -m cnn -q a.wav", "replay --model cnn --quiet a.wav"),
        ("doctor -d 3 -m cnn", "doctor --device 3 --model cnn"),
        ("classify -m cnn -q -o out.csv a.wav", "classify --model cnn --quiet --output out.csv a.wav"),
    ],
)
def test_short_options(short: str, long: str) -> None:
    assert vars(commands.parse(short.split())) == vars(commands.parse(long.split()))


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("moniter", "unknown command 'moniter'; did you mean 'monitor'? (see 'realtime-ser --help')"),
        ("xyzzy", "unknown command 'xyzzy'; there are monitor, replay, "),
        ("help nosuch", "unknown command 'nosuch'; there are monitor, replay, "),
        ("help reply", "unknown command 'reply'; did you mean 'replay'?"),
        ("talk.wav", "realtime-ser replay talk.wav"),
        ("monitor talk.wav", "realtime-ser replay talk.wav (see 'realtime-ser monitor --help')"),
        (
            "monitor --durration 3",
            "unknown option '--durration'; did you mean '--duration'? (see 'realtime-ser monitor --help')",
        ),
        ("replay --sped=3 a.wav", "unknown option '--sped'; did you mean '--speed'? (see 'realtime-ser replay --help')"),
        ("replay --device usb a.wav", "'--device' belongs behind a command that has it: monitor, doctor"),
        ("-q monitor", "'-q' belongs behind a command that has it: monitor, replay, demo, classify"),
        ("monitor -x", "unknown option '-x' (see 'realtime-ser monitor --help')"),
        ("monitor --channel 0", "'0' is no channel; the first one is 1 (see 'realtime-ser monitor --help')"),
        ("monitor --channel left", "'left' is no channel"),
        ("", "no COMMAND is given"),
    ],
)
def test_a_typing_error_gets_the_nearest_and_the_right_help(typed: str, said: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        run(typed)
    shown = capsys.readouterr().err
    assert ended.value.code == 2
    assert shown.count("\n") == 1
    assert said in shown


ONE_VALUE = ("--csv", "--jsonl", "--record", "--report", "--osc", "--mqtt")


@pytest.mark.parametrize("option", [*ONE_VALUE, "-o", "--faults"])
def test_an_empty_value_is_not_taken_for_none(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        commands.parse(["replay", "a.wav", option, ""])
    assert ended.value.code == 2
    shown = capsys.readouterr().err
    assert shown.count("\n") == 1
    assert option in shown
    assert ("'' names nobody to send to" if option in ("--osc", "--mqtt") else "'' names no file") in shown


@pytest.mark.parametrize("option", ONE_VALUE)
@pytest.mark.parametrize("command", ["monitor", "demo"])
def test_an_output_that_does_not_repeat_is_not_given_twice(
    command: str, option: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert vars(commands.parse([command, option, "a"]))[option[2:]] == "a"
    with pytest.raises(SystemExit) as ended:
        commands.parse([command, option, "a", option, "a"])
    assert ended.value.code == 2
    assert f"argument {option}: given twice, and it takes one value" in capsys.readouterr().err


def test_what_repeats_is_kept(capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("replay", "classify"):
        assert commands.parse([command, "a.wav", "-o", "a.csv", "--output", "b.csv"]).output == ["a.csv", "b.csv"]
    with pytest.raises(SystemExit):
        commands.parse(["classify", "a.wav", "-o", "a.csv", "-o", ""])
    assert "'' names no file" in capsys.readouterr().err


def test_version_is_a_command_and_an_option() -> None:
    assert realtime_ser("version").stdout == realtime_ser("--version").stdout


@pytest.mark.parametrize("typed", ["--list-devices", "monitor --list-devices", "monitor -d 9 --list-devices", "devices"])
def test_devices_are_listed_however_they_are_called_for(typed: str, tmp_path: Path) -> None:
    write_fake_portaudio(tmp_path, "Desk microphone")
    result = realtime_ser(*typed.split(), env={"PYTHONPATH": str(tmp_path), "COLUMNS": "200"})
    assert result.returncode == 0, result.stderr
    assert "Desk microphone" in result.stdout


def test_help_and_typing_errors_load_nothing_heavy() -> None:
    program = (
        "import sys\nfrom realtime_ser.cli.main import main\n"
        "try: main(sys.argv[1:])\nexcept SystemExit: pass\n"
        "print(*sys.modules, file=sys.stderr)"
    )
    for typed in (["--help"], ["monitor", "--help"], ["version"], ["help", "bench"]):
        result = subprocess.run([sys.executable, "-c", program, *typed], capture_output=True, text=True, timeout=60, check=True)
        loaded = {name.partition(".")[0] for name in result.stderr.split()}
        assert not loaded & {"numpy", "onnxruntime", "rich", "yaml", "soundfile", "sounddevice", "soxr", "shtab"}


def test_every_json_option_is_one() -> None:
    for name in ("devices", "models", "doctor", "bench", "config", "config show"):
        for typed, target in (([], None), (["--json"], "-"), (["--json", "out.json"], "out.json")):
            assert commands.parse([*name.split(), *typed]).json == target


@pytest.mark.slow
@pytest.mark.parametrize("command", ["devices", "models", "doctor"])
def test_json_means_the_same_everywhere(command: str, tmp_path: Path) -> None:
    write_fake_portaudio(tmp_path, "Desk microphone")
    env = {"PYTHONPATH": str(tmp_path), "COLUMNS": "200"}
    printed = realtime_ser(command, "--json", env=env).stdout
    shown = realtime_ser(command, "--json", tmp_path / "out.json", env=env).stdout
    written = json.loads((tmp_path / "out.json").read_text())
    rows = json.loads(printed)
    assert [list(row) for row in rows] == [list(row) for row in written]
    assert not shown.lstrip().startswith(("[", "{"))
    assert {"devices": "Desk microphone", "models": "mlp", "doctor": "python"}[command] in shown


@pytest.mark.slow
def test_json_that_cannot_be_written_is_said(tmp_path: Path) -> None:
    result = realtime_ser("models", "--json", tmp_path / "no" / "out.json")
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1
    assert "out.json" in result.stderr


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize("typed", ["--help", "models --json", "config show", "completion bash"])
def test_a_reader_that_closes_early_is_no_fault(typed: str) -> None:
    command = f"{sys.executable} -m realtime_ser {typed} | true; echo ${{PIPESTATUS[0]}}"
    result = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60, check=False)
    assert (result.stdout.strip(), result.stderr) == ("0", "")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
@pytest.mark.parametrize("typed", ["models --json", "config show", "version"])
def test_a_full_disk_behind_standard_output_is_said(typed: str) -> None:
    with open("/dev/full", "w") as full:  # noqa: PTH123 (as a shell does)
        result = subprocess.run(
            [sys.executable, "-m", "realtime_ser", *typed.split()], stdout=full, stderr=subprocess.PIPE, text=True, check=False
        )
    assert result.returncode == 1
    assert result.stderr == "realtime-ser: cannot write to standard output: No space left on device\n"


@pytest.mark.slow
def test_config_show_says_where_each_setting_comes_from(tmp_path: Path) -> None:
    mine = tmp_path / "mine.yaml"
    mine.write_text("stream: {hop_s: 0.5, recent_s: 0}\ncapture: {device: usb}\n")
    options = ("--config", mine, "--set", "stream.hop_s=1", "--model", "cnn")
    rows = {row["key"]: row for row in json.loads(realtime_ser("config", "show", *options, "--json").stdout)}
    assert (rows["stream.hop_s"]["value"], rows["stream.hop_s"]["source"]) == (1.0, "--set")
    assert (rows["stream.recent_s"]["value"], rows["stream.recent_s"]["source"]) == (0.0, str(mine))
    assert (rows["capture.device"]["value"], rows["capture.device"]["source"]) == ("usb", str(mine))
    assert (rows["model"]["value"], rows["model"]["source"]) == ("cnn", "--model")
    assert (rows["capture.channel"]["value"], rows["capture.channel"]["source"]) == (None, "default")
    assert not any(key.startswith("train") for key in rows)
    table = realtime_ser("config", *options, env={"COLUMNS": "200"}).stdout
    assert re.search(rf"^stream\.recent_s +0\.0 +{re.escape(str(mine))} *$", table, re.M)
    assert re.search(r"^gate\.enabled +true +default *$", table, re.M)
    assert re.search(r"^capture\.channel +null +default *$", table, re.M)


def test_config_show_refuses_what_a_run_would_refuse() -> None:
    result = realtime_ser("config", "show", "--set", "stream.hop=1")
    assert result.returncode == 2
    assert "did you mean 'stream.hop_s'" in result.stderr


@pytest.mark.slow
def test_quiet_shows_nothing_and_writes_what_is_asked(tmp_path: Path) -> None:
    result = realtime_ser("demo", "-q", "--speed", "max", "--duration", "2", "--csv", tmp_path / "out.csv")
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
    assert (tmp_path / "out.csv").stat().st_size


@pytest.mark.slow
def test_verbose_says_settings_and_where_a_fault_arose() -> None:
    shown = realtime_ser("replay", SAMPLE, "-v", "-q", "--speed", "max", "--duration", "1", "--set", "stream.hop_s=0.5").stderr
    assert shown.splitlines()[0] == "stream.hop_s: 0.5 (from --set)"
    assert "config.yaml" in shown.splitlines()[1]
    failed = subprocess.run(
        [sys.executable, "-m", "realtime_ser", "replay", "-v", "missing.wav"], capture_output=True, text=True, check=False
    )
    assert "Traceback" in failed.stderr
    assert failed.stderr.splitlines()[-1].startswith("realtime-ser: missing.wav")


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["realtime-ser", "mon"], {"monitor"}),
        (["realtime-ser", "monitor", "--dev"], {"--device"}),
        (["realtime-ser", "completion", "z"], {"zsh"}),
        (["realtime-ser", "replay", "ta"], {"talk.wav"}),
    ],
)
def test_bash_completes(words: list[str], expected: set[str], tmp_path: Path) -> None:
    pytest.importorskip("shtab")
    script = tmp_path / "completion.bash"
    script.write_text(realtime_ser("completion", "bash").stdout)
    (tmp_path / "talk.wav").touch()
    program = f"""
source {script}
complete -p realtime-ser | grep -q _shtab || exit 3
COMP_WORDS=({" ".join(words)}); COMP_CWORD={len(words) - 1}; COMP_LINE="{" ".join(words)}"; COMP_POINT=${{#COMP_LINE}}
$(complete -p realtime-ser | sed 's/.*-F \\([^ ]*\\).*/\\1/') realtime-ser {words[-1]} {words[-2]}
printf '%s\\n' "${{COMPREPLY[@]}}"
"""
    result = subprocess.run(["bash", "-c", program], capture_output=True, text=True, cwd=tmp_path, check=False, timeout=60)
    assert result.returncode == 0, result.stderr
    assert expected <= {word.strip() for word in result.stdout.splitlines()}


def test_completion_without_its_package_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "shtab.py").write_text("raise ImportError('not here')\n")
    result = realtime_ser("completion", "zsh", env={"PYTHONPATH": os.fspath(tmp_path)})
    assert result.returncode == 2
    assert "pip install '.[completion]'" in result.stderr
