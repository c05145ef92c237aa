"""Events: written with what they tell of, published to Redis, handled by subscribers."""
