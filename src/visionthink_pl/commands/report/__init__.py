"""The verb ``report``: a run or an evaluation as one page that opens offline."""
