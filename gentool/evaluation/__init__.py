"""How good a trained model is, beside what real images score. Start reading in `evaluate.py`.

`scoring` scores samples, and `evaluation` holds what a model scored. `features` are the networks through which images
are compared, `fidelity` the scores in their features, `memorisation` detects copies, `likelihood` bounds log p(x),
`intervals` says how certain a number is. `compare` puts models side by side, `budget` trains them first. Functions
return values; `Evaluation.save` and `Comparison.save` write them to a folder.
"""
