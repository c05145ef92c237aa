"""Who may do what: tokens, sessions of the board, and the limit of failed logins."""
