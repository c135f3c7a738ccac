"""The demo: 60 days of history, live traffic, and the proof that the books are right.

Owns the filling and the proof. Doesn't own what the traffic is like (simulate) or the processes (site, supervise).
"""

from bursar.demo.bill import DemoBill
from bursar.demo.check import Proof, check
from bursar.demo.controls import demo_controls
from bursar.demo.history import HistoryTotals, fill_history, has_history
from bursar.demo.incident import bad_release
from bursar.demo.keys import adopt_keys, key_id
from bursar.demo.traffic import TrafficTotals, at_a_rate, at_its_own_pace, traffic

__all__ = [
    "DemoBill",
    "HistoryTotals",
    "Proof",
    "TrafficTotals",
    "adopt_keys",
    "at_a_rate",
    "at_its_own_pace",
    "bad_release",
    "check",
    "demo_controls",
    "fill_history",
    "has_history",
    "key_id",
    "traffic",
]
