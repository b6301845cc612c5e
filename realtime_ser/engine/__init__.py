"""One stream: samples in, estimates out. No thread, no clock, no I/O."""
