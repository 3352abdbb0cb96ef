"""Training, from `train` (in the file of that name) down to one step.

This file imports nothing, so that a term of a loss or a checkpoint can be had without all of it.
"""
