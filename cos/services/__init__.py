"""What the control center does, without HTTP. The caller owns the transaction and commits."""
