"""Readers on a cable, or virtual ones: given their firmware and site, examined, read out."""
