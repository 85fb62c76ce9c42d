"""Compiled loops over arrays: arrays in, arrays out, no class of this package."""
