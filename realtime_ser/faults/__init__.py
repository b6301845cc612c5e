"""The test instrument: a source that fails as a scenario says."""
