"""The rig: what is measured, against which baselines, and how.

`comparison.compare` measures contenders side by side; `model_workloads` and
`scan_workloads` say what they are, `record` what becomes of the results.
"""
