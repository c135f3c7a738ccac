"""The families of advice, a module each: a function from one look at the ledger to what it would change.

To add one: write the module, add its line here, its kind to `advice.KINDS`, its planted saving to `bench/advice_*.py`.
"""

from collections.abc import Callable

from bursar.advisor.advice import Advice
from bursar.advisor.families.bands import cross_fewer_bands
from bursar.advisor.families.batch import send_as_batches
from bursar.advisor.families.commitment import commit_to_a_floor
from bursar.advisor.families.exact import keep_equal_answers
from bursar.advisor.families.history import send_less_history
from bursar.advisor.families.jobs import stop_repeated_jobs
from bursar.advisor.families.models import take_cheaper_models
from bursar.advisor.families.output import cap_output, shorten_answers, stop_cutting_off
from bursar.advisor.families.places import take_cheaper_places
from bursar.advisor.families.prompts import mark_prompts
from bursar.advisor.families.reasoning import reason_less
from bursar.advisor.families.repairs import repair_marks
from bursar.advisor.families.retries import stop_asking_again
from bursar.advisor.families.tiers import take_the_standard_tier
from bursar.advisor.look import Look

FAMILIES: tuple[Callable[[Look], list[Advice]], ...] = (
    keep_equal_answers,
    stop_repeated_jobs,
    send_as_batches,
    take_the_standard_tier,
    take_cheaper_models,
    mark_prompts,
    repair_marks,
    cap_output,
    stop_cutting_off,
    shorten_answers,
    reason_less,
    send_less_history,
    stop_asking_again,
    take_cheaper_places,
    cross_fewer_bands,
    commit_to_a_floor,
)
