"""Boards as they leave the factory: pins, images, flash."""
