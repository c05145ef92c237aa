"""What a test asked its database: statements recorded, counted and explained."""
