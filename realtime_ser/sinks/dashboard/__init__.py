"""The live screen in a terminal."""
