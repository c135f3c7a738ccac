"""Forms of budgets, policies and limits: what was typed as a control file's entry, and an entry as what is shown.

Owns the fields. Doesn't own what an entry may say (`controlfile.sections`) or how a form looks (`templates`).
"""
