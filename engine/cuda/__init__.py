"""NVIDIA GPUs: memory, streams and launches (device.py), and Mien's own kernels."""
