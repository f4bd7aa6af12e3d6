"""A site directory: what it says, its keys."""
