"""What tells whether two requests mean the same: vectors of texts, the guards beside them, and who was asked before.

It knows no gateway: texts and numbers go in, a nearest earlier text comes out. numpy is imported by `minilm`, `matrix`
and `judge` alone, which a gateway loads when a rule asks for them.
"""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
# Read when numpy is loaded. The matrices are small: threads of BLAS only take the cores from the calls (8 ms a text
# become 400 on a busy machine).
