"""Sampling of training windows, and the augmentation that changes in every epoch."""
