"""The hot folder: a file dropped into spool/inbox/<task>/ becomes a job, and its answer appears in results/inbox/."""
