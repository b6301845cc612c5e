"""Audio frames to model input: each frame is transformed once, and a window is a view of the last frames plus functionals."""
