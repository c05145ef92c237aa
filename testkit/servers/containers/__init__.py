"""Docker: images, containers under a keeper, whose a container is."""
