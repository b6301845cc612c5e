"""Fault injection for tests: a source that fails as a scenario defines."""
