"""The same stream over a network: a page with a microphone, a socket, an upload. The only place that may open a socket."""
