"""A bundle: card, network, classifier."""
