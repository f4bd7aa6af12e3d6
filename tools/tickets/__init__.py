"""Tickets and bundles: made, looked into, judged."""
