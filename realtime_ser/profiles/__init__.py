"""A voice that is remembered from one run to the next, on disk."""
