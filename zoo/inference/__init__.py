"""Prediction by trained networks: image preparation, test-time augmentation, fused layers."""
