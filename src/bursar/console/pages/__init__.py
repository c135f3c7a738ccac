"""One file a page: which figures it asks for, and how they are laid out for its template."""
