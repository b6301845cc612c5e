"""Sampling of training windows and augmentation."""
