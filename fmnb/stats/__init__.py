"""Statistics on numpy and the standard library, checked against scipy and statsmodels in tests.

- `level`: one model's mean score and its interval: start here for a wrong interval of a score
- `means`: intervals of differences and of unbounded scores, with clustered standard errors
- `proportions`: intervals and tests of proportions with few observations
- `paired`: paired difference of two models, its test, and the minimum detectable difference
- `unpaired`: test of two means whose rows are not paired but share clusters
- `sign_flips`: sign-flip test over clusters, and its interval
- `resampling`: bootstrap intervals and sign-flip tests
- `grouping`: clusters of rows, and their effective number
- `hall`: Hall's interval for the mean of skewed values
- `mcnemar`: McNemar's test
- `holm`: Holm's correction for several comparisons
- `power`: sample size and minimum detectable difference
- `agreement`: Cohen's kappa and Krippendorff's alpha
- `calibration`: calibration error, Brier score, selective accuracy
- `bradley_terry`: strengths of models from pairwise votes, with intervals
- `votes`: preference between two models: share, test, interval
- `student`: quantiles and tails of normal, t and chi-square distributions
"""
