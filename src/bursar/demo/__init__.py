"""The demo: 60 days of history, live traffic, and the proof that the books are right.

Owns the filling and the proof. Doesn't own what the traffic is like (simulate) or the processes (site, supervise).
"""

from bursar.demo.bill import DemoBill
from bursar.demo.check import Proof, check
from bursar.demo.controls import demo_controls
from bursar.demo.history import HistoryTotals, fill_history, has_history
from bursar.demo.traffic import TrafficTotals, traffic

__all__ = [
    "DemoBill",
    "HistoryTotals",
    "Proof",
    "TrafficTotals",
    "check",
    "demo_controls",
    "fill_history",
    "has_history",
    "traffic",
]
