"""Published sets and HELM's groups of measures.

- `academic`: GSM8K, HumanEval and others, with their own scoring
- `helm`: accuracy, calibration, robustness, fairness, bias, toxicity, efficiency
- `perturb`: rows with typing errors, dialect, other names
- `mentions`: which groups of people answers mention
"""
