"""The networks, what trains them, and what writes them as bundles."""
