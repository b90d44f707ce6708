"""Statistics on numpy and the standard library, checked against scipy and statsmodels in tests. A wrong interval or p value is here.

- `level`: one model's mean score and its interval
- `means`: intervals of means and of paired differences, with clustered standard errors
- `proportions`: intervals and tests of proportions with few observations
- `paired`: two models on the same rows: the gap, its test, the smallest gap these rows can show
- `unpaired`: two means whose rows are not paired but share clusters
- `sign_flips`: sign-flip test over whole groups, and its interval
- `resampling`: bootstrap intervals and sign-flip tests
- `grouping`: which rows form a cluster, and the effective number of groups
- `hall`: Hall's interval for the mean of skewed values
- `mcnemar`: two models right or wrong on the same rows: only rows on which they differ count
- `holm`: Holm's correction for several comparisons
- `power`: rows needed to show a gap, and the smallest gap a number of rows can show
- `agreement`: Cohen's kappa and Krippendorff's alpha
- `calibration`: calibration error, Brier score, selective accuracy
- `bradley_terry`: strengths of models from pairwise votes
- `votes`: votes for one of two: share, test, interval
- `student`: quantiles and tails of normal, t and chi-square distributions
"""
