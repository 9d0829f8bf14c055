"""Trains the networks that add to a warped photo what was never in it. The mouth comes first."""
