"""What a dead letter takes with it when it is removed."""

from __future__ import annotations

from spoolfarm.farm.farm import Farm
from tests.support.command_tasks import fail


def test_the_log_of_a_dead_letter_goes_with_it_unless_the_result_is_kept(farm: Farm) -> None:
    collected, kept = fail(farm, 2)
    for job_id in (collected, kept):
        farm.results.write_log(job_id, log="the last words")
    farm.results.collect(farm.record(collected))
    for job_id in (collected, kept):
        farm.remove_dead_letter(job_id)
    assert farm.results.read_log(collected) == []
    assert [line["log"] for line in farm.results.read_log(kept)] == ["the last words"]
