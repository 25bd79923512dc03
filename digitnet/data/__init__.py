"""Labelled digits: where they come from, and copies of them as other hands might have drawn them."""
