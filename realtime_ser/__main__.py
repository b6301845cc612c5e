"""``python -m realtime_ser``."""

from __future__ import annotations

import sys

from realtime_ser.cli.main import main

sys.exit(main())
