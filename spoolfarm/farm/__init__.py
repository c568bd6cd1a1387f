"""The one bridge to the spool: validate, admit, put, wait, collect; many jobs of one caller; jobs within jobs."""

from spoolfarm.farm.farm import Farm
from spoolfarm.farm.farm_job import FarmJob

__all__ = ["Farm", "FarmJob"]
