"""Training of ``large`` on a few made-up voices: groups, channels, pasts, and a run that goes on where it stopped."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from realtime_ser.errors import ConfigError
from train.data.audio import Audio, load_audio
from train.data.corpora import LABELS
from train.data.features import CHUNK
from train.data.manifest import Row
from train.data.responses import Responses, load_responses
from train.networks import run, waveform_fit
from train.networks.drawn import Batch
from train.networks.encoder import Encoder
from train.networks.run import cycle
from train.networks.waveform import Waveform
from train.networks.waveform_fit import blended, past_shares, train
from train.recipe import WaveformRecipe
from train.sampling.channel import Channel
from train.sampling.groups import ACTED, NOBODY_PLACE, READ, SOUND, Groups

RATE = 16000


def _row(corpus: str, speaker: str, emotion: str, sentence: str = "") -> Row:
    path = f"{corpus}/{speaker}-{emotion}{sentence}.flac"
    return Row(path, corpus, speaker, emotion, sentence, "", "", "speech", 1.5, "")


@pytest.fixture(scope="module")
def audio(tmp_path_factory: pytest.TempPathFactory) -> Audio:
    root = tmp_path_factory.mktemp("corpora")
    rows = [_row("tess", who, mood) for who in ("a", "b") for mood in ("angry", "sad", "neutral")]
    rows += [_row("librispeech", who, "plain") for who in ("librispeech-1", "librispeech-2")]
    rows += [_row("sounds", f"s{i}", "nobody", "esc_rain") for i in range(2)]
    rows += [_row("sounds", "s3", "nobody", "urban_street_music")]
    rng = np.random.default_rng(0)
    for i, row in enumerate(rows):
        t = np.arange(int(1.5 * RATE)) / RATE
        voice = 0.1 * np.sign(np.sin(2 * np.pi * (100 + 20 * i) * t)) * (np.abs(t - 0.75) < 0.5)
        (root / row.path).parent.mkdir(exist_ok=True)
        soundfile.write(root / row.path, voice + rng.normal(0, 1e-4, len(t)), RATE)
    return load_audio(root, rows, root / "cache", progress=False)


def test_a_clips_voice_is_found_and_its_audio_mapped(audio: Audio) -> None:
    assert len(audio.clip(0)) == int(1.5 * RATE)
    first, end = audio.voice[0] / RATE
    assert first == pytest.approx(0.25, abs=0.05)
    assert end == pytest.approx(1.25, abs=0.1)  # the filter rings on
    assert len(audio.spoken(8)) == int(1.5 * RATE)  # a sound is used from end to end


@pytest.mark.slow
def test_groups_are_of_one_voice_readers_or_sounds(audio: Audio) -> None:
    groups = Groups(audio, Responses(), np.random.default_rng(1), readers=0.3, sounds=0.3)
    kinds, targets, lengths = set(), set(), set()
    for _ in range(70):
        group = groups.draw()
        assert np.isfinite(group.samples).all()
        assert group.samples.shape[0] == len(group.target) == 4
        lengths.add(group.samples.shape[1])
        kinds.add(group.kind)
        if group.kind == ACTED:
            targets |= set(group.target)
            assert (group.corpus, group.speaker) in {("tess", "a"), ("tess", "b")}
        elif group.kind == READ:
            assert set(group.target) == {LABELS.index("neutral")}
            assert group.speaker in {"librispeech-1", "librispeech-2"}
        else:
            assert set(group.target) == {NOBODY_PLACE}
    assert kinds == {ACTED, READ, SOUND}
    assert targets == {LABELS.index(label) for label in ("angry", "sad", "neutral")}
    assert lengths == {16000, 24000, 32000, 40000, 48000}


def test_without_readers_only_the_speaker_talks_behind_the_speaker(audio: Audio, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fold learns from the groups of its own speakers, so that another's voice in them could be a tested one."""
    actors = Audio(audio.rows[:6], audio.samples, audio.offsets[:7], audio.voice[:6])
    used: list[int] = []
    real = Audio.spoken

    def noted(self: Audio, i: int, **around: int) -> np.ndarray:
        used.append(i)
        return real(self, i, **around)

    monkeypatch.setattr(Audio, "spoken", noted)
    groups = Groups(actors, Responses(), np.random.default_rng(3))
    behind = 0
    for _ in range(25):
        used.clear()
        group = groups.draw()
        assert {audio.rows[i].speaker for i in used} == {group.speaker}
        behind += len(used) > 2 * len(group.target)  # a window itself takes one clip or two
    assert behind > 2


@pytest.mark.slow
def test_half_of_the_sounds_end_with_what_the_gate_takes_for_speech(audio: Audio) -> None:
    """Only the sound's first chunk is: such windows hold at most half a second more of it, after silence."""
    (sound, *_) = [i for i, row in enumerate(audio.rows) if row.emotion == "nobody"]

    def begin_silent(heard: dict[int, Any] | None) -> float:
        groups = Groups(audio, Responses(), np.random.default_rng(6), readers=0.0, sounds=1.0, heard=heard)
        windows = [window for _ in range(60) for window in groups.draw().samples]
        assert np.mean([window[-CHUNK:].any() for window in windows]) > 0.9  # a codec may drop something that soft
        return float(np.mean([not window[: len(window) // 3].any() for window in windows]))

    first_chunk = np.arange(46) == 0
    assert begin_silent(None) == 0
    # Half of them, less those whose channel adds noise or an offset.
    assert 0.1 < begin_silent({sound: first_chunk}) < 0.5
    # A sound with voices in it is never drawn, whatever the gate says.
    assert begin_silent({len(audio.rows) - 1: first_chunk}) == 0


@pytest.mark.slow
def test_low_frequencies_do_not_reach_the_network(audio: Audio) -> None:
    groups = Groups(audio, Responses(), np.random.default_rng(2), readers=0.0, sounds=0.0)
    for _ in range(30):
        spectrum = np.abs(np.fft.rfft(groups.draw().samples)) ** 2
        hz = np.fft.rfftfreq(2 * (spectrum.shape[1] - 1), 1 / RATE)
        assert spectrum[:, hz < 20].sum() < 0.01 * spectrum.sum()


def test_a_channel_of_no_strength_changes_the_level_and_nothing_else() -> None:
    rng = np.random.default_rng(5)
    voice = rng.normal(0, 0.1, RATE).astype(np.float32)
    for _ in range(20):
        out = Channel(rng, Responses(), 0.0)(voice, np.zeros, np.zeros)
        gain = float(np.abs(out).max() / np.abs(voice).max())
        np.testing.assert_allclose(out, voice * np.float32(gain), rtol=1e-4, atol=1e-7)


def test_a_channel_keeps_the_length_and_nothing_is_lost(tmp_path: Path) -> None:
    folder = tmp_path / "impulse_responses"
    folder.mkdir()
    soundfile.write(folder / "mic_Old.flac", np.r_[np.zeros(100), 0.9, 0.3, np.zeros(50)], RATE)
    soundfile.write(folder / "room_Hall.flac", np.r_[0.9, np.zeros(400), 0.2], RATE)
    responses = load_responses(tmp_path)
    assert len(responses.microphones) == len(responses.rooms) == 1
    assert np.sum(responses.microphones[0] ** 2) == pytest.approx(1, rel=1e-4)
    rng = np.random.default_rng(3)
    voice = rng.normal(0, 0.1, RATE).astype(np.float32)
    for _ in range(40):
        out = Channel(rng, responses)(voice, lambda n: rng.normal(0, 1, n).astype(np.float32), lambda n: np.ones(n, np.float32))
        assert out.shape == voice.shape
        assert out.dtype == np.float32
        assert np.isfinite(out).all()
        assert np.abs(out).max() > 1e-5
    assert load_responses(tmp_path / "nowhere") == Responses()


def _batch(rng: np.random.Generator) -> Batch:
    group = np.repeat(np.arange(3), 4)
    kind = np.array([ACTED] * 8 + [READ] * 4)
    return Batch(rng.normal(0, 1, (12, 75, 384)).astype(np.float32), rng.integers(0, 8, 12), group, kind, ())


def test_pasts_come_from_the_same_voice() -> None:
    batch = _batch(np.random.default_rng(4))
    # Each window's statistics are its group's number: any mean of its own group is that number again.
    statistics = torch.from_numpy(batch.group.astype(np.float32))[:, None]
    share, seconds = past_shares(batch, np.random.default_rng(0))
    past = share @ statistics
    warm = seconds > 0
    torch.testing.assert_close(past[warm], statistics[warm])
    assert 0.2 < float((seconds <= 2.0).float().mean()) < 0.6
    assert float(seconds.max()) <= 74


def test_the_rate_rises_and_falls() -> None:
    shares = [cycle(share) for share in np.linspace(0, 1, 101)]
    assert max(shares) == pytest.approx(1, abs=0.01)
    assert shares[0] < 0.05
    assert shares[-1] < 0.05
    assert np.argmax(shares) == 10


@pytest.mark.slow
def test_a_run_goes_on_where_it_stopped(audio: Audio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waveform_fit, "read_encoder", lambda path: Encoder())
    monkeypatch.setattr(run, "_EVERY", 2)
    monkeypatch.setattr(waveform_fit, "_FIRST_BATCHES", 2)
    encoder = tmp_path / "encoder.npz"
    recipe = WaveformRecipe(steps=4, groups=2)

    class MadeUp:
        def __init__(self) -> None:
            self.rng = np.random.default_rng(0)

        def draw(self) -> Batch:
            return _batch(self.rng)

    def draws() -> Any:
        return MadeUp()

    with pytest.raises(ConfigError, match="get encoder"):
        train(draws(), recipe, encoder, tmp_path / "run")
    encoder.touch()

    class StopError(Exception):
        pass

    calls = []
    real = waveform_fit.step_loss

    def stopping(*given: object) -> torch.Tensor:
        calls.append(1)
        if len(calls) == 4:
            raise StopError
        return real(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(waveform_fit, "step_loss", stopping)
    with pytest.raises(StopError):
        train(draws(), recipe, encoder, tmp_path / "run")
    monkeypatch.setattr(waveform_fit, "step_loss", real)
    before = torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)
    assert before["step"] == 2
    network = train(draws(), recipe, encoder, tmp_path / "run")
    after = torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)
    assert after["step"] == 4
    # Stem and first block stay as they were, the second block does not.
    assert torch.equal(before["network"]["encoder.conv1.weight"], after["network"]["encoder.conv1.weight"])
    assert torch.equal(before["network"]["encoder.blocks.0.qkv.weight"], after["network"]["encoder.blocks.0.qkv.weight"])
    assert not torch.equal(before["network"]["encoder.blocks.1.qkv.weight"], after["network"]["encoder.blocks.1.qkv.weight"])
    assert not network.training
    whole = train(draws(), recipe, encoder, tmp_path / "whole")  # with the same batches, pasts and dropout in every step
    for name, value in whole.state_dict().items():
        assert torch.equal(network.state_dict()[name], value), name
    # A checkpoint of an earlier version, without the generators.
    (tmp_path / "old").mkdir()
    torch.save({name: value for name, value in before.items() if name not in ("torch", "numpy")}, tmp_path / "old" / run.FILE)
    (tmp_path / "old" / run.HISTORY).write_text("[]")
    assert not torch.equal(train(draws(), recipe, encoder, tmp_path / "old").head.weight, network.head.weight)
    with pytest.raises(ConfigError, match="another recipe"):
        train(draws(), replace(recipe, dropout=0.1), encoder, tmp_path / "run")
    with pytest.raises(ConfigError, match="other clips"):
        train(draws(), recipe, encoder, tmp_path / "run", digest="others")
    # One network is the same whether others stand beside it or not.
    again = train(draws(), replace(recipe, networks=recipe.networks + 3), encoder, tmp_path / "run")
    assert torch.equal(again.head.weight, network.head.weight)
    # A network with statistics of fewer blocks.
    after["network"]["mean"] = after["network"]["mean"][:1536]
    torch.save(after, tmp_path / "run" / "checkpoint.pt")
    with pytest.raises(ConfigError, match="another recipe"):
        train(draws(), recipe, encoder, tmp_path / "run")


def test_a_blend_is_the_mean_of_its_networks() -> None:
    torch.manual_seed(2)
    one, two = Waveform(Encoder()), Waveform(Encoder())
    with torch.no_grad():
        two.gain.fill_(3.0)
    mean = blended([one, two])
    assert not mean.training
    torch.testing.assert_close(mean.gain, torch.full_like(mean.gain, 2.0))
    torch.testing.assert_close(mean.head.weight, (one.head.weight + two.head.weight) / 2)
    layer = "encoder.blocks.2.qkv.weight"
    torch.testing.assert_close(mean.state_dict()[layer], (one.state_dict()[layer] + two.state_dict()[layer]) / 2)
    assert torch.equal(one.gain, torch.ones_like(one.gain))  # neither is changed
    assert torch.equal(blended([one]).head.weight, one.head.weight)
