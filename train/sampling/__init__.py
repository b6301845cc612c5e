"""What a training step draws, and what befalls it."""
