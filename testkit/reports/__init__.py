"""From facts to texts: terminal, Markdown, HTML, JSON, GitHub, agents."""
