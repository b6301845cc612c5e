"""Audio frames to model input: each frame is transformed once, a window is a view of the last frames plus cheap functionals."""
