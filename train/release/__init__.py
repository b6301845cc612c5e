"""From trained networks and their scores to the bundles that ship."""
