"""The JSON API: the same questions and figures as the pages, for programs. Described in /api/openapi.json."""
