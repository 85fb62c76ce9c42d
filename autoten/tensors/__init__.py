"""Tensors: data behind a handful of operations, whatever their storage."""
