"""What many readers journaled, gathered and settled."""
