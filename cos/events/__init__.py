"""Events: written with the change they tell of, published after its commit, never lost."""
