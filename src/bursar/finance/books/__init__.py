"""The books by month: what is booked when, the trial balance, the close, and the files that finance takes away.

Owns closed months, the general journal and the chart of accounts. Doesn't own charges: it reads them where they are,
and what is posted after a close is booked in the month in which it was posted.
"""
