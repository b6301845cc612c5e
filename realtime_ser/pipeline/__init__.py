"""From a source to the sinks."""
