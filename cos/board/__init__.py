"""The board: one page on which a person sees how things stand."""
