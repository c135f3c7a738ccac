"""What a board, a finance team and a team's lead are sent: what each report says, and how it is set as PDF and XLSX.

Owns no figure: each is asked of `finance/`, `explore/` and the packages beside them.
"""
