"""One sentence for each wrong input: what is called, what it raises, and what the sentence says."""

import pytest

# Rows: a name, a call without arguments, the kind of error, a pattern of the sentence. One section for each part.

SELECTION_AND_SCORES = []

# ---

PLOTS = []

# ---

TENSORS = []

# ---

SOLVERS_AND_HOLDOUTS = []

# ---

STORE_AND_COMMAND = []

# ---

DOOR_AND_ESTIMATE = []

# ---

REFUSALS = [
    *SELECTION_AND_SCORES,
    *PLOTS,
    *TENSORS,
    *SOLVERS_AND_HOLDOUTS,
    *STORE_AND_COMMAND,
    *DOOR_AND_ESTIMATE,
]


@pytest.mark.parametrize(("call", "kind", "sentence"), [pytest.param(*row[1:], id=row[0]) for row in REFUSALS])
def test_a_wrong_input_gets_one_sentence(call, kind, sentence):
    with pytest.raises(kind, match=sentence) as caught:
        call()
    assert "\n" not in str(caught.value)
