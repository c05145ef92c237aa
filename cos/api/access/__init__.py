"""Who may send a request: to which name, from which origin, with which credentials."""
