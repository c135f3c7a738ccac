"""How far an installation has come in six steps, measured on its own calls and settings, and what climbs the next one.

Owns the checks, their measurement, the step, the acts and the eight kinds of FinOps debt.
Doesn't own advice and initiatives: whoever asks brings their figures along.
"""
