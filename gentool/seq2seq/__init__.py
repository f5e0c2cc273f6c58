"""Arithmetic as sequences: the task, its pictures, one network for four trainings, scores and sweeps."""
