"""Prediction by a trained network: views at test time, fused layers, several networks as one."""
