"""How good a model is: by clip and fold, as a stream, and in what it says of its own confidence."""
