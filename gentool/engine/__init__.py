"""What a training needs beside the model: start reading in `run.py`, whose `Run` a training loop calls.

`plan` is the length of a run and its learning rate, `optim` Adam, `ema` the moving average, `precision` and
`compilation` how a step is computed, `context` what a training sets in the process and restores. `folder`, `journal`
and `checkpoint` write the run's files, `alarms` watches its numbers, `report` draws them on one page. `training.train`
puts a loop, options, data and a run together; `terminal` shows progress.
"""
