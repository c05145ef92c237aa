"""From failures to causes: rules in data, merged evidence, stable ids."""
