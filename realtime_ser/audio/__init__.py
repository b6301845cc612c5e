"""Sources of audio, the ring between threads, resampling, the high-pass."""
