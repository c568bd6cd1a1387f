"""The one bridge to the spool: validate, admit, put, wait, collect; many jobs of one caller; jobs within jobs."""

from spoolfarm.farm.farm import Farm, FarmJob
from spoolfarm.farm.mapping import FULL_RETRY

__all__ = ["FULL_RETRY", "Farm", "FarmJob"]
