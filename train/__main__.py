"""``python -m train VERB``."""

import sys
from collections.abc import Sequence

_OF_THE_EXTRA = ("torch", "onnx", "sklearn", "tqdm", "matplotlib", "pooch")


def main(arguments: Sequence[str] | None = None) -> int:
    """As ``train.cli.main``; what the extra ``train`` installs is named where it is missing."""
    try:
        from train.cli import main as run

        return run(arguments)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] not in _OF_THE_EXTRA:
            raise
        print(f"train: there is no module {error.name}; in the clone: pip install -e '.[train]'", file=sys.stderr)
        return 2


if __name__ == "__main__":
    raise SystemExit(main())
